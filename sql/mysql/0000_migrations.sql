-- Which of these files have been applied.
CREATE TABLE IF NOT EXISTS SchemaMigration (
  number INT NOT NULL,
  name VARCHAR(255) NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
