-- Where cleared parents are kept, for undo. Lock: none on the user's table.
CREATE TABLE IF NOT EXISTS llamactl.cleared_parent (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_schema text NOT NULL,
  table_name text NOT NULL,
  table_oid oid,
  key_column text,              -- what tells the table's rows apart
  key_type text,
  row_id text NOT NULL,         -- the row's key, as text
  job_id text,                  -- the row's job, as text; NULL: recorded by 0.1, as are all columns that may be NULL
  parent_job_id text NOT NULL,
  cleared_at timestamptz NOT NULL DEFAULT now()
);
