-- Saves the parents of the rows of pg_temp.clearing, which were cleared.
-- Parameters: relation (the table's oid, or its name as regclass reads it), schema, table, key_column, key_type (of what tells its rows
-- apart). Returns nothing; its row count is that of the parents that were cleared. Comes after judge_cleared.sql.
-- Lock: none on the user's table.
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
\if :{?key_column}
\else
\set key_column id
\endif
\if :{?key_type}
\else
\set key_type uuid
\endif
INSERT INTO llamactl.cleared_parent
  (table_schema, table_name, table_oid, key_column, key_type, row_id, job_id, parent_job_id)
SELECT :'schema', :'table', :'relation'::pg_catalog.regclass, :'key_column', :'key_type', clearing.row_id, clearing.job, clearing.parent
FROM pg_temp.clearing;
