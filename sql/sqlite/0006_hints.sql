-- What agents suspect of hosts, each row until it is told again or over. See mysql/0006_hints.sql.
CREATE TABLE HostSuspect (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  ip INTEGER NOT NULL,
  port INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  until_s INTEGER NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX lars_suspect_until ON HostSuspect (until_s);

CREATE TABLE SharingAgent (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  until_s INTEGER NOT NULL,
  PRIMARY KEY (modid, cmdid, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX lars_sharing_until ON SharingAgent (until_s);
