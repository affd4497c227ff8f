-- Routes: a wider version, an index for ordered loading, and a change log that says who did what and when.
-- The original's lars_dns and larsWeb go on working: RouteData keeps its columns (it is read by position), and every
-- new column of RouteChange may be left out of an INSERT.
ALTER TABLE RouteVersion MODIFY version BIGINT UNSIGNED NOT NULL;

-- Not unique: duplicate rows are legal in a database of the original.
CREATE INDEX lars_route ON RouteData (modid, cmdid, serverip, serverport);

ALTER TABLE RouteChange CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- prev is the version that the edit found; -1: not written by us. Readers follow version -> prev to see gaps.
ALTER TABLE RouteChange ADD COLUMN prev BIGINT NOT NULL DEFAULT -1;

ALTER TABLE RouteChange ADD COLUMN op VARCHAR(16) NOT NULL DEFAULT '';

ALTER TABLE RouteChange ADD COLUMN actor VARCHAR(128) NOT NULL DEFAULT '';

-- 0: not written by us, and then version is the UNIX time in seconds.
ALTER TABLE RouteChange ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0;

-- Makes a repeated edit (its answer was lost) count once.
ALTER TABLE RouteChange ADD COLUMN edit_key VARCHAR(64) NOT NULL DEFAULT '';

-- The hosts that left and the hosts that came: ip:port,ip:port
ALTER TABLE RouteChange ADD COLUMN hosts_before MEDIUMTEXT;

ALTER TABLE RouteChange ADD COLUMN hosts_after MEDIUMTEXT;

CREATE INDEX lars_version ON RouteChange (version);

CREATE INDEX lars_edit_key ON RouteChange (edit_key);
