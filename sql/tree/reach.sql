-- The jobs above or below some jobs, in two passes over the table: for use if there is no index, or the id columns differ
-- in type. The time is linear, whatever the depth.
-- Parameters: jobs (an array of job ids), upward (true: those above; false: those below), roots (an array, in
--   root_job_id's type: the walk also starts from the jobs of all rows that store one of these), trust_root_flag.
-- Returns one row per logged job: job. The given jobs are included; a job with the same hash may be: see below.
-- Lock: ACCESS SHARE.
--
-- 1. Each parent edge becomes a pair of hashes, stored in two arrays that are sorted by where the edge starts.
-- 2. The walk finds a job's edges by binary search (width_bucket), so that it does not read the table for each level.
-- 3. The hashes that it found are converted to ids. A hash collision adds an unrelated job (one in 10^5 for ten million
--    jobs): the caller walks over the rows themselves and drops it. No job is ever missed.
-- Default jobs: '{}'
-- Default upward: true
-- Default roots: '{}'
-- Default trust_root_flag: true
WITH RECURSIVE edge AS (
  -- Halved, so that subtracting one still fits bigint.
  SELECT hashtextextended(named.child COLLATE "C", 0) / 2 AS child,
         hashtextextended(named.parent COLLATE "C", 0) / 2 AS parent
  FROM (SELECT NULL::boolean AS "is_root_job") AS absent
  CROSS JOIN LATERAL (
    SELECT log."job_id"::text AS child, log."parent_job_id"::text AS parent
    FROM "public"."LlamaLog" AS log
    WHERE NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE)
  ) AS named
  WHERE btrim(named.child COLLATE "C", E' \t\n\r\f\x0b') <> '' AND btrim(named.parent COLLATE "C", E' \t\n\r\f\x0b') <> ''
),
graph AS MATERIALIZED (
  SELECT array_agg(start) AS starts, array_agg(finish) AS finishes
  FROM (
    SELECT CASE WHEN :'upward'::boolean THEN child ELSE parent END AS start,
           CASE WHEN :'upward'::boolean THEN parent ELSE child END AS finish
    FROM edge
    ORDER BY start
  ) AS directed
),
walk AS (
  SELECT hashtextextended(asked.job COLLATE "C", 0) / 2 AS job
  FROM unnest(:'jobs'::text[]) AS asked (job)
  UNION
  SELECT hashtextextended(log."job_id"::text COLLATE "C", 0) / 2
  FROM (SELECT NULL::text AS "root_job_id") AS absent
  CROSS JOIN LATERAL (
    SELECT log."job_id" FROM "public"."LlamaLog" AS log WHERE "root_job_id" = ANY (:'roots') AND log."job_id" IS NOT NULL
  ) AS log
  UNION
  SELECT (SELECT finishes FROM graph)[number]
  FROM walk
  CROSS JOIN LATERAL generate_series(
    width_bucket(walk.job - 1, (SELECT starts FROM graph)) + 1,
    width_bucket(walk.job, (SELECT starts FROM graph))
  ) AS number
)
SELECT DISTINCT log."job_id"::text COLLATE "C" AS job
FROM "public"."LlamaLog" AS log
WHERE hashtextextended(log."job_id"::text COLLATE "C", 0) / 2 IN (SELECT job FROM walk);
