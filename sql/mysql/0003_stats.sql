-- Statistics: totals per minute, and which marked reports have been counted.

-- Identical to the primary key: it only makes writes dearer.
ALTER TABLE ServerCallStatus DROP INDEX mlb_index;

-- minute is the UNIX time in seconds at which the minute began; overload counts results that said overloaded.
CREATE TABLE IF NOT EXISTS CallStat1m (
  modid INT NOT NULL,
  cmdid INT NOT NULL,
  ip INT UNSIGNED NOT NULL,
  port INT UNSIGNED NOT NULL,
  minute BIGINT NOT NULL,
  succ BIGINT NOT NULL,
  err BIGINT NOT NULL,
  overload BIGINT NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, minute),
  KEY lars_minute (minute)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- boot and number are unsigned 64-bit numbers in their signed form; token is the write that was first with them.
CREATE TABLE IF NOT EXISTS ReportSeen (
  boot BIGINT NOT NULL,
  number BIGINT NOT NULL,
  token BIGINT NOT NULL,
  at_s BIGINT NOT NULL,
  PRIMARY KEY (boot, number),
  KEY lars_at (at_s)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
