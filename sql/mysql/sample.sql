-- The original's sample routes (dns_route_insert.sql). Not part of the schema. The version is bumped, so that a
-- running dns takes the rows at its next look.
UPDATE RouteVersion SET version = version + 1 WHERE id = 1;

INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES
  (1, 1, 3232235953, 7777),
  (1, 2, 3232235954, 7776),
  (2, 1, 3232235955, 7778),
  (2, 2, 3232235956, 7779);
