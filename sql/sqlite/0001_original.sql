-- The schema of the original Lars (base/sql/lars_dns.sql), same names and columns, in SQLite's types. The numbers
-- have no range here, as little as a row written by hand can be trusted to have one.
CREATE TABLE IF NOT EXISTS RouteData (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  serverip INTEGER NOT NULL,
  serverport INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS RouteVersion (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  version INTEGER NOT NULL
) STRICT;

INSERT INTO RouteVersion (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS RouteChange (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS ServerCallStatus (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  ip INTEGER NOT NULL,
  port INTEGER NOT NULL,
  caller INTEGER NOT NULL,
  succ_cnt INTEGER NOT NULL,
  err_cnt INTEGER NOT NULL,
  ts INTEGER NOT NULL,
  overload TEXT NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, caller)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ModIDConfig (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  modid INTEGER NOT NULL,
  content TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS CmdIDConfig (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cmdid INTEGER NOT NULL,
  content TEXT NOT NULL
) STRICT;
