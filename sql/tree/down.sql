-- The jobs below some jobs, by an index whose first column is parent_job_id: one probe per job; it ends on cycles too.
-- Parameters: jobs (an array of job ids), roots (an array: the walk also starts from the jobs of all rows that store one of
--   these, and does not follow these rows), trust_root_flag.
-- Returns one row per job: job (NULL: some rows without a job id), walked (reached by a row that stores none of the
--   roots).
-- Only for id columns with the same type and collation; reach.sql needs neither that nor an index.
-- Lock: ACCESS SHARE.
-- Default jobs: '{}'
-- Default roots: '{}'
-- Default trust_root_flag: true
WITH RECURSIVE walk AS (
  SELECT start.job, false AS walked
  FROM (SELECT NULL::text AS "root_job_id") AS absent
  CROSS JOIN LATERAL (
    -- No row is read here: the aggregate lends the array the column's type, so that the probes can use its index.
    SELECT unnest(coalesce(array_agg(none."job_id"), :'jobs')) AS job
    FROM "public"."LlamaLog" AS none
    WHERE false
    UNION
    SELECT log."job_id" FROM "public"."LlamaLog" AS log WHERE "root_job_id" = ANY (:'roots')
  ) AS start
  UNION
  SELECT below.job, true
  FROM walk
  CROSS JOIN LATERAL (
    SELECT child.job
    FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id") AS absent
    CROSS JOIN LATERAL (
      SELECT log."job_id" AS job
      FROM "public"."LlamaLog" AS log
      WHERE log."parent_job_id" = walk.job
        AND ("root_job_id" = ANY (:'roots')) IS NOT TRUE
        AND NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE
                 AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '')
    ) AS child
  ) AS below
  WHERE btrim(walk.job::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
)
SELECT CASE WHEN btrim(job::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN job::text END AS job, bool_or(walked) AS walked
FROM walk
GROUP BY 1;
