-- Routes: an index for ordered loading, and a change log that says who did what and when. See mysql/0002_routes.sql.
CREATE INDEX lars_route ON RouteData (modid, cmdid, serverip, serverport);

-- prev is the version that the edit found; -1: not written by us. Readers follow version -> prev to see gaps.
ALTER TABLE RouteChange ADD COLUMN prev INTEGER NOT NULL DEFAULT -1;

ALTER TABLE RouteChange ADD COLUMN op TEXT NOT NULL DEFAULT '';

ALTER TABLE RouteChange ADD COLUMN actor TEXT NOT NULL DEFAULT '';

-- 0: not written by us, and then version is the UNIX time in seconds.
ALTER TABLE RouteChange ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;

-- Makes a repeated edit (its answer was lost) count once.
ALTER TABLE RouteChange ADD COLUMN edit_key TEXT NOT NULL DEFAULT '';

-- The hosts that left and the hosts that came: ip:port,ip:port
ALTER TABLE RouteChange ADD COLUMN hosts_before TEXT;

ALTER TABLE RouteChange ADD COLUMN hosts_after TEXT;

CREATE INDEX lars_version ON RouteChange (version);

CREATE INDEX lars_edit_key ON RouteChange (edit_key);
