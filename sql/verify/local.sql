-- How many jobs disagree with themselves or with their neighbours (broken.sql). Columns: check, jobs. Lock: none.
SELECT broken.check, count(DISTINCT job) AS jobs
FROM pg_temp.broken
GROUP BY broken.check;
