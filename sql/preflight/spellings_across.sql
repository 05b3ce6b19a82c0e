-- As spellings.sql, with both columns taken together: for columns of one type and one collation. Parameters: sample.
-- Returns one row: ids (how many are written in several ways), sample. Lock: ACCESS SHARE (reads every row).
\if :{?sample}
\else
\set sample 10
\endif
WITH spelled AS MATERIALIZED (
  SELECT min(ids.id::text COLLATE "C") AS one, max(ids.id::text COLLATE "C") AS other
  FROM (
    SELECT log."job_id" AS id FROM "public"."LlamaLog" AS log
    UNION ALL
    SELECT log."parent_job_id" FROM "public"."LlamaLog" AS log
  ) AS ids
  WHERE ids.id IS NOT NULL
  GROUP BY ids.id
  HAVING min(ids.id::text COLLATE "C") <> max(ids.id::text COLLATE "C")
)
SELECT (SELECT count(*) FROM spelled) AS ids,
  ARRAY(SELECT one || ' = ' || other FROM spelled ORDER BY one LIMIT :'sample'::integer) AS sample;
