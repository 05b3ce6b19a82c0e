-- Like spellings.sql, with both columns together: for columns with the same type and collation. Parameters: sample,
-- longest (the number of characters of each that are shown).
-- Returns one row: ids (how many have several spellings), sample. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
-- Default longest: 2147483647
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
  ARRAY(SELECT left(one, :'longest'::integer) || ' = ' || left(other, :'longest'::integer) FROM spelled ORDER BY one LIMIT :'sample'::integer) AS sample;
