-- The parents that were cleared, and what became of their rows. A row's parent may have been cleared more than once: the newest
-- is what the row would hold had nothing ever been cleared.
-- Parameters: schema, table.
-- Returns one row: missing (rows whose parent is still NULL), kept (that have a parent by now), back (of these, the one that was
-- cleared), gone (rows that are no more), saved and others (lines of this table, and of others), lost (tables that have lines
-- and are not there). Lock: ACCESS SHARE.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
WITH newest AS (
  SELECT DISTINCT ON (row_id) row_id, parent_job_id
  FROM llamactl.cleared_parent
  WHERE table_schema = :'schema' AND table_name = :'table'
  ORDER BY row_id, cleared_at DESC
), held AS (
  SELECT log."id" IS NOT NULL AS present, log."parent_job_id"::text AS parent, newest.parent_job_id AS cleared
  FROM newest
  LEFT JOIN "public"."LlamaLog" AS log ON log."id"::text COLLATE "C" = newest.row_id
)
SELECT count(*) FILTER (WHERE present AND parent IS NULL) AS missing,
       count(*) FILTER (WHERE parent IS NOT NULL) AS kept,
       count(*) FILTER (WHERE parent COLLATE "C" = cleared) AS back,
       count(*) FILTER (WHERE NOT present) AS gone,
       (SELECT count(*) FROM llamactl.cleared_parent
        WHERE table_schema = :'schema' AND table_name = :'table') AS saved,
       (SELECT count(*) FROM llamactl.cleared_parent
        WHERE (table_schema, table_name) <> (:'schema', :'table')) AS others,
       ARRAY(
         SELECT DISTINCT format('%I.%I', table_schema, table_name)
         FROM llamactl.cleared_parent
         WHERE NOT EXISTS (
           SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname::text = table_schema AND c.relname::text = table_name)
         ORDER BY 1
       ) AS lost
FROM held;
