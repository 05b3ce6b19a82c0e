-- Clears the parents of the rows of pg_temp.clearing, and saves those that are NULL then: a trigger may suppress or change it.
-- Parameters: schema, table, key_column, key_type (of what tells its rows apart), first_page, end_page (as choose_flagged.sql had
-- them). Returns nothing; its row count is that of the parents that were cleared. Comes after choose_flagged.sql. Lock: ROW EXCLUSIVE.
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
\if :{?first_page}
\else
\set first_page 0
\endif
\if :{?end_page}
\else
\set end_page 64
\endif
WITH cleared AS (
  UPDATE "public"."LlamaLog" AS log
  SET "parent_job_id" = NULL
  FROM pg_temp.clearing
  WHERE log.ctid OPERATOR(pg_catalog.=) clearing.place
    AND log.ctid OPERATOR(pg_catalog.>=) pg_catalog.format('(%s,0)', :'first_page'::pg_catalog.int8)::pg_catalog.tid
    AND log.ctid OPERATOR(pg_catalog.<) pg_catalog.format('(%s,0)', :'end_page'::pg_catalog.int8)::pg_catalog.tid
  RETURNING log.tableoid AS table_oid, clearing.row_id, clearing.job, clearing.parent, log."parent_job_id" IS NULL AS done
)
INSERT INTO llamactl.cleared_parent
  (table_schema, table_name, table_oid, key_column, key_type, row_id, job_id, parent_job_id)
SELECT :'schema', :'table', cleared.table_oid, :'key_column', :'key_type', cleared.row_id, cleared.job, cleared.parent
FROM cleared
WHERE cleared.done;
