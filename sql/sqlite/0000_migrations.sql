-- Which of these files have been applied.
CREATE TABLE IF NOT EXISTS SchemaMigration (
  number INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
