-- The number of jobs that disagree with themselves or with their neighbours (broken.sql). Columns: check, jobs. Lock: ACCESS SHARE.
SELECT broken.check, count(DISTINCT job) AS jobs
FROM :broken AS broken
GROUP BY broken.check;
