-- Statistics: totals per minute, and which marked reports have been counted.

-- minute is the UNIX time in seconds at which the minute began; overload counts results that said overloaded.
CREATE TABLE CallStat1m (
  modid INTEGER NOT NULL,
  cmdid INTEGER NOT NULL,
  ip INTEGER NOT NULL,
  port INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  succ INTEGER NOT NULL,
  err INTEGER NOT NULL,
  overload INTEGER NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, minute)
) STRICT, WITHOUT ROWID;

CREATE INDEX lars_minute ON CallStat1m (minute);

-- boot and number are unsigned 64-bit numbers in their signed form; token is the write that was first with them.
CREATE TABLE ReportSeen (
  boot INTEGER NOT NULL,
  number INTEGER NOT NULL,
  token INTEGER NOT NULL,
  at_s INTEGER NOT NULL,
  PRIMARY KEY (boot, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX lars_at ON ReportSeen (at_s);
