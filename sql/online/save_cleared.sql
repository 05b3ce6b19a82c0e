-- Saves the parents of the rows in pg_temp.clearing, which were cleared.
-- Parameters: relation (the table's oid, or its name as regclass reads it), schema, table, key_column, key_type (of the column that
-- identifies a row). Returns nothing; its row count is the number of parents that were cleared. Run it after judge_cleared.sql.
-- Lock: none on the user's table.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
-- Default key_column: id
-- Default key_type: uuid
INSERT INTO llamactl.cleared_parent
  (table_schema, table_name, table_oid, key_column, key_type, row_id, job_id, parent_job_id)
SELECT :'schema', :'table', :'relation'::pg_catalog.regclass, :'key_column', :'key_type', clearing.row_id, clearing.job, clearing.parent
FROM pg_temp.clearing;
