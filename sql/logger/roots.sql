-- The roots of some jobs, as their rows hold them. Quick where an index leads with the job; else it reads the table.
-- Parameters: jobs (an array of job ids).
-- Returns one row a job that is logged: job, root (NULL where its rows hold none, or several; the job itself where they hold none
-- and name no parent).
-- Lock: ACCESS SHARE.
\if :{?jobs}
\else
\set jobs '{}'
\endif
SELECT held.job,
       CASE WHEN min(held.root) = max(held.root) THEN min(held.root)
            WHEN count(held.root) = 0 AND count(held.parent) = 0 THEN held.job END AS root
FROM (SELECT NULL::text AS "root_job_id") AS absent
CROSS JOIN LATERAL (
  SELECT log."job_id"::text COLLATE "C" AS job,
         "root_job_id"::text COLLATE "C" AS root,
         nullif(btrim(log."parent_job_id"::text, E' \t\n\r\f\x0b'), '') AS parent
  FROM "public"."LlamaLog" AS log
  WHERE log."job_id" = ANY (:'jobs')
) AS held
GROUP BY held.job;
