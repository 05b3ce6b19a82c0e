-- The roots of some jobs, as their rows hold them. Quick where an index leads with the job; else it reads the table.
-- Parameters: jobs (an array of job ids).
-- Returns one row a job that is logged: job, root (NULL where its rows hold none, or several; the job itself where they hold none
-- and name no parent).
-- Lock: ACCESS SHARE.
-- Default jobs: '{}'
SELECT held.job,
       CASE WHEN pg_catalog.min(held.root) OPERATOR(pg_catalog.=) pg_catalog.max(held.root) THEN pg_catalog.min(held.root)
            WHEN NOT pg_catalog.bool_or(held.root IS NOT NULL OR held.below) THEN held.job END AS root
FROM (SELECT NULL::pg_catalog.text AS "root_job_id") AS absent
CROSS JOIN LATERAL (
  SELECT log."job_id"::pg_catalog.text COLLATE pg_catalog."C" AS job,
         "root_job_id"::pg_catalog.text COLLATE pg_catalog."C" AS root,
         coalesce(pg_catalog.btrim(log."parent_job_id"::pg_catalog.text, E' \t\n\r\f\x0b') OPERATOR(pg_catalog.<>) '', false) AS below
  FROM "public"."LlamaLog" AS log
  WHERE log."job_id" OPERATOR(pg_catalog.=) ANY (:'jobs')
) AS held
GROUP BY held.job;
