-- Where cleared parents are kept, for undo. Lock: none on the user's table.
CREATE TABLE IF NOT EXISTS llamactl.cleared_parent (
  table_schema text NOT NULL,
  table_name text NOT NULL,
  row_id text NOT NULL,         -- the primary key, as text
  parent_job_id text NOT NULL,
  cleared_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_schema, table_name, row_id, cleared_at)  -- a row's parent may be cleared again
);
