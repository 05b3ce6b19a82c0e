-- Ids that compare as equal in the type of their column but differ in bytes, in either column by itself. Parameters: sample,
-- longest (the number of characters of each that are shown).
-- Returns one row: ids (how many have several spellings), sample. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
-- Default longest: 2147483647
WITH spelled AS MATERIALIZED (
  SELECT min(log."job_id"::text COLLATE "C") AS one, max(log."job_id"::text COLLATE "C") AS other
  FROM "public"."LlamaLog" AS log
  WHERE log."job_id" IS NOT NULL
  GROUP BY log."job_id"
  HAVING min(log."job_id"::text COLLATE "C") <> max(log."job_id"::text COLLATE "C")
  UNION
  SELECT min(log."parent_job_id"::text COLLATE "C"), max(log."parent_job_id"::text COLLATE "C")
  FROM "public"."LlamaLog" AS log
  WHERE log."parent_job_id" IS NOT NULL
  GROUP BY log."parent_job_id"
  HAVING min(log."parent_job_id"::text COLLATE "C") <> max(log."parent_job_id"::text COLLATE "C")
)
SELECT (SELECT count(*) FROM spelled) AS ids,
  ARRAY(SELECT left(one, :'longest'::integer) || ' = ' || left(other, :'longest'::integer) FROM spelled ORDER BY one LIMIT :'sample'::integer) AS sample;
