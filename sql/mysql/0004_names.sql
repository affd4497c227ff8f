-- Names in any script, compared byte by byte.
ALTER TABLE ModIDConfig CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

ALTER TABLE CmdIDConfig CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE INDEX lars_modid ON ModIDConfig (modid);

CREATE INDEX lars_cmdid ON CmdIDConfig (cmdid);
