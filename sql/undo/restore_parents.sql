-- Puts back the parents that were cleared, the newest of each row, where the row still has none. Parameters: schema, table.
-- Lock: ROW EXCLUSIVE.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
\if :{?parent_cast}
\else
\set parent_cast text
\endif
UPDATE "public"."LlamaLog" AS log
SET "parent_job_id" = CAST(newest.parent_job_id AS :parent_cast)
FROM (
  SELECT DISTINCT ON (row_id) row_id, parent_job_id
  FROM llamactl.cleared_parent
  WHERE table_schema = :'schema' AND table_name = :'table'
  ORDER BY row_id, cleared_at DESC
) AS newest
WHERE log."id"::text COLLATE "C" = newest.row_id AND log."parent_job_id" IS NULL;
