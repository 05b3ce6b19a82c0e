-- The table in which cleared parents are saved, for undo. Lock: none on the user's table.
CREATE TABLE IF NOT EXISTS llamactl.cleared_parent (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_schema pg_catalog.text NOT NULL,
  table_name pg_catalog.text NOT NULL,
  table_oid pg_catalog.oid,
  key_column pg_catalog.text,              -- what tells the table's rows apart
  key_type pg_catalog.text,
  row_id pg_catalog.text NOT NULL,         -- the row's key, as text
  job_id pg_catalog.text,                  -- the row's job, as text; NULL: recorded by 0.1, as are all columns that may be NULL
  parent_job_id pg_catalog.text NOT NULL,
  cleared_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);
