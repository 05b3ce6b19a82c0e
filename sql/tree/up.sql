-- The jobs above some jobs, by an index that leads with job_id: one probe a job, and cycles end by themselves.
-- Parameters: jobs (an array of job ids), trust_root_flag.
-- Returns one row a job: job. Those asked for are among them, and parents that are not logged.
-- For id columns of one type and collation only; reach.sql does without that, and without an index.
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
