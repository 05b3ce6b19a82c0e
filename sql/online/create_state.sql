-- What a run keeps, for `status` and for the next run. Lock: none on the user's table.
CREATE TABLE IF NOT EXISTS llamactl.run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_oid oid,
  recorded_in oid,                   -- of this table: where it is another by now, table_oid says nothing (online/runs.sql)
  table_schema text NOT NULL,
  table_name text NOT NULL,
  command text NOT NULL,
  backend_pid integer NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,              -- NULL: it runs, or was cut
  rows_total bigint,                 -- to be written, as last worked out; NULL: not known yet
  rows_done bigint NOT NULL DEFAULT 0,
  rows_per_second float8,            -- in the last minute
  waits_for text,
  waits_since timestamptz
);

CREATE TABLE IF NOT EXISTS llamactl.step (
  run_id bigint NOT NULL REFERENCES llamactl.run ON DELETE CASCADE,
  number integer NOT NULL,
  name text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  PRIMARY KEY (run_id, number)
);
