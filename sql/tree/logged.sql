-- Which of some jobs have rows of their own.
-- Parameters: jobs (an array of job ids).
-- Returns one row a job: job. Ids that the column's type takes for equal may be among them.
-- Lock: ACCESS SHARE.
-- Default jobs: '{}'
SELECT DISTINCT log."job_id"::text COLLATE "C" AS job
FROM "public"."LlamaLog" AS log
WHERE log."job_id" = ANY (:'jobs');
