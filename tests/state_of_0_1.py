"""The tables in schema llamactl as version 0.1 made them, by its own statements."""

SCHEMA = """
CREATE SCHEMA llamactl;
COMMENT ON SCHEMA llamactl IS 'Kept by llamactl: what it needs to undo a migration.';
"""
CLEARED_PARENT = """
CREATE TABLE IF NOT EXISTS llamactl.cleared_parent (
  table_schema text NOT NULL,
  table_name text NOT NULL,
  row_id text NOT NULL,         -- the primary key, as text
  parent_job_id text NOT NULL,
  cleared_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_schema, table_name, row_id, cleared_at)  -- a row's parent may be cleared again
);
"""
RUNS = """
CREATE TABLE IF NOT EXISTS llamactl.run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_schema text NOT NULL,
  table_name text NOT NULL,
  command text NOT NULL,
  client text NOT NULL,              -- the host and process that it runs on
  backend_pid integer NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,              -- NULL: it runs, or was cut
  rows_total bigint,                 -- to be written, as last worked out; NULL: not known yet
  rows_done bigint NOT NULL DEFAULT 0,
  rows_per_second float8,            -- in the last minute
  relfilenode oid,                   -- the file that `page` counts in
  page bigint,                       -- filled up to here, in this pass over the table
  waits_for text,
  waits_since timestamptz,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS llamactl.step (
  run_id bigint NOT NULL REFERENCES llamactl.run ON DELETE CASCADE,
  number integer NOT NULL,
  name text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  PRIMARY KEY (run_id, number)
);
"""
RUN = """
INSERT INTO llamactl.run
  (table_schema, table_name, command, client, backend_pid, rows_total, rows_done, ended_at)
VALUES ('public', 'LlamaLog', 'migrate', 'host:1', 1, 140, 140, {});
"""
