-- Keeps the parents that the root flag disregards. Parameters: relation (the table's oid, or its name as regclass reads it), schema,
-- table, key_column, key_type (of what tells its rows apart). Lock: ACCESS SHARE.
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
SELECT :'schema', :'table', :'relation'::pg_catalog.regclass, :'key_column', :'key_type', entry.row_id, entry.job, entry.disregarded_parent
FROM :entry AS entry
WHERE entry.disregarded_parent IS NOT NULL;
