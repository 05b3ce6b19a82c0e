-- Saves the parents that are ignored because of the root flag. Parameters: relation (the table's oid, or its name as regclass reads it),
-- schema, table, key_column, key_type (of the column that identifies a row). Lock: ACCESS SHARE.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
-- Default key_column: id
-- Default key_type: uuid
INSERT INTO llamactl.cleared_parent
  (table_schema, table_name, table_oid, key_column, key_type, row_id, job_id, parent_job_id)
SELECT :'schema', :'table', :'relation'::pg_catalog.regclass, :'key_column', :'key_type', entry.row_id, entry.job, entry.disregarded_parent
FROM :entry AS entry
WHERE entry.disregarded_parent IS NOT NULL;
