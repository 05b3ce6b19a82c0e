-- Keeps the parents that the root flag disregards. Parameters: schema, table. Lock: ACCESS SHARE.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
INSERT INTO llamactl.cleared_parent (table_schema, table_name, row_id, parent_job_id)
SELECT :'schema', :'table', row_id, disregarded_parent
FROM :entry AS entry
WHERE disregarded_parent IS NOT NULL;
