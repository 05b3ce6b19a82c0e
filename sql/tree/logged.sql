-- Which of some jobs have rows of their own.
-- Parameters: jobs (an array of job ids).
-- Returns one row per job: job. May include ids that only compare as equal in the column's type.
-- Lock: ACCESS SHARE.
-- Default jobs: '{}'
SELECT DISTINCT log."job_id"::text COLLATE "C" AS job
FROM "public"."LlamaLog" AS log
WHERE log."job_id" = ANY (:'jobs');
