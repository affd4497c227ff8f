-- Names are looked up by their number.
CREATE INDEX lars_modid ON ModIDConfig (modid);

CREATE INDEX lars_cmdid ON CmdIDConfig (cmdid);
