-- The root flag wins: the parents of flagged rows in some pages are saved, and become NULL. Parameters: schema, table, first_page,
-- end_page (not included). Returns nothing. Lock: ROW EXCLUSIVE.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
\if :{?first_page}
\else
\set first_page 0
\endif
\if :{?end_page}
\else
\set end_page 64
\endif
WITH target AS MATERIALIZED (
  SELECT log.ctid AS place, log."id"::text AS row_id, log."parent_job_id"::text AS parent
  FROM "public"."LlamaLog" AS log
  WHERE log.ctid >= pg_catalog.format('(%s,0)', :'first_page'::bigint)::tid
    AND log.ctid < pg_catalog.format('(%s,0)', :'end_page'::bigint)::tid
    AND log."is_root_job"
    AND pg_temp.present(log."job_id"::text COLLATE "C") IS NOT NULL
    AND pg_temp.present(log."parent_job_id"::text COLLATE "C") IS NOT NULL
  FOR NO KEY UPDATE OF log SKIP LOCKED
), cleared AS (
  UPDATE "public"."LlamaLog" AS log
  SET "parent_job_id" = NULL
  FROM target
  WHERE log.ctid = target.place
    AND log.ctid >= pg_catalog.format('(%s,0)', :'first_page'::bigint)::tid
    AND log.ctid < pg_catalog.format('(%s,0)', :'end_page'::bigint)::tid
  RETURNING target.row_id, target.parent
)
INSERT INTO llamactl.cleared_parent (table_schema, table_name, row_id, parent_job_id)
SELECT :'schema', :'table', row_id, parent FROM cleared;
