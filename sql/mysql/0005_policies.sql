-- How modules are balanced, and what is said of single hosts. Tables of their own, since the original reads RouteData by
-- position. A module without a row is balanced as its agents please; a host without one has weight 1 and no zone.

-- settings is the text form of system/balance; version is that of the edit that wrote it.
CREATE TABLE IF NOT EXISTS ModulePolicy (
  modid INT NOT NULL,
  cmdid INT NOT NULL,
  settings VARCHAR(2048) NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (modid, cmdid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS HostPolicy (
  modid INT NOT NULL,
  cmdid INT NOT NULL,
  serverip INT UNSIGNED NOT NULL,
  serverport INT UNSIGNED NOT NULL,
  weight INT UNSIGNED NOT NULL,
  zone INT UNSIGNED NOT NULL,
  draining INT UNSIGNED NOT NULL,
  PRIMARY KEY (modid, cmdid, serverip, serverport)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What an edit of these two changed, for people.
ALTER TABLE RouteChange ADD COLUMN detail MEDIUMTEXT;
