-- The number of rows whose root is not the job of any row, by stored values only. A blank id is not a job.
-- Returns one row: rows. Lock: ACCESS SHARE.
WITH held AS (
  SELECT entry.root, count(*) AS rows
  FROM (SELECT NULL::text AS "root_job_id") AS absent
  CROSS JOIN LATERAL (SELECT "root_job_id"::text COLLATE "C" AS root FROM "public"."LlamaLog" AS log) AS entry
  WHERE entry.root IS NOT NULL
  GROUP BY entry.root
)
SELECT coalesce(sum(held.rows), 0)::bigint AS rows
FROM held
WHERE btrim(held.root, E' \t\n\r\f\x0b') = ''
  OR NOT EXISTS (SELECT FROM "public"."LlamaLog" AS log WHERE log."job_id"::text COLLATE "C" = held.root);
