-- The stored roots of some jobs. Fast if an index begins with the job; otherwise it reads the table.
-- Parameters: jobs (an array of job ids).
-- Returns one row per logged job: job, root (NULL if its rows store none, or several; the job itself if they store none and have no
-- parent).
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
