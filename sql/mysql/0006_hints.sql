-- What agents suspect of hosts, each row until it is told again or over: few rows, and in good times none.
-- agent is the boot id of a run of an agent in its signed form; until_s is in UNIX seconds.
CREATE TABLE IF NOT EXISTS HostSuspect (
  modid INT NOT NULL,
  cmdid INT NOT NULL,
  ip INT UNSIGNED NOT NULL,
  port INT UNSIGNED NOT NULL,
  agent BIGINT NOT NULL,
  until_s BIGINT NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, agent),
  KEY lars_suspect_until (until_s)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Agents that tell what they suspect, whether or not they do now.
CREATE TABLE IF NOT EXISTS SharingAgent (
  modid INT NOT NULL,
  cmdid INT NOT NULL,
  agent BIGINT NOT NULL,
  until_s BIGINT NOT NULL,
  PRIMARY KEY (modid, cmdid, agent),
  KEY lars_sharing_until (until_s)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
