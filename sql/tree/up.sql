-- The jobs above some jobs, by an index whose first column is job_id: one probe per job; it ends on cycles too.
-- Parameters: jobs (an array of job ids), trust_root_flag.
-- Returns one row per job: job. The given jobs are included, and so are parents that are not logged.
-- Only for id columns with the same type and collation; reach.sql needs neither that nor an index.
-- Lock: ACCESS SHARE.
-- Default jobs: '{}'
-- Default trust_root_flag: true
WITH RECURSIVE walk AS (
  -- No row is read here: the aggregate lends the array the column's type, so that the probes can use its index.
  SELECT unnest(coalesce(array_agg(none."parent_job_id"), :'jobs')) AS job
  FROM "public"."LlamaLog" AS none
  WHERE false
  UNION
  SELECT above.job
  FROM walk
  CROSS JOIN LATERAL (
    SELECT parent.job
    FROM (SELECT NULL::boolean AS "is_root_job") AS absent
    CROSS JOIN LATERAL (
      SELECT log."parent_job_id" AS job
      FROM "public"."LlamaLog" AS log
      WHERE log."job_id" = walk.job AND NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE)
    ) AS parent
  ) AS above
  WHERE btrim(walk.job::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
)
SELECT job::text AS job FROM walk WHERE '' <> btrim(job::text COLLATE "C", E' \t\n\r\f\x0b');
