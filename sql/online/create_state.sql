-- The tables that record runs, for `status` and for the next run. Lock: none on the user's table.
CREATE TABLE IF NOT EXISTS llamactl.run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_oid pg_catalog.oid,
  recorded_in pg_catalog.oid,                   -- of this table: if it differs now, table_oid is not valid (online/runs.sql)
  table_schema pg_catalog.text NOT NULL,
  table_name pg_catalog.text NOT NULL,
  command pg_catalog.text NOT NULL,
  backend_pid integer NOT NULL,
  began_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended_at pg_catalog.timestamptz,              -- NULL: it is running, or was interrupted
  rows_total bigint,                 -- to be written, as last computed; NULL: not known yet
  rows_done bigint NOT NULL DEFAULT 0,
  rows_per_second pg_catalog.float8,            -- in the last minute
  waits_for pg_catalog.text,
  waits_since pg_catalog.timestamptz
);

CREATE TABLE IF NOT EXISTS llamactl.step (
  run_id bigint NOT NULL REFERENCES llamactl.run ON DELETE CASCADE,
  number integer NOT NULL,
  name pg_catalog.text NOT NULL,
  began_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended_at pg_catalog.timestamptz,
  PRIMARY KEY (run_id, number)
);
