-- How modules are balanced, and what is said of single hosts. See mysql/0005_policies.sql.
CREATE TABLE ModulePolicy (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  settings TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (modid, cmdid)
) STRICT, WITHOUT ROWID;

CREATE TABLE HostPolicy (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  serverip INTEGER NOT NULL,
  serverport INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  zone INTEGER NOT NULL,
  draining INTEGER NOT NULL,
  PRIMARY KEY (modid, cmdid, serverip, serverport)
) STRICT, WITHOUT ROWID;

-- What an edit of these two changed, for people.
ALTER TABLE RouteChange ADD COLUMN detail TEXT;
