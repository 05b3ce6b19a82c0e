-- Counts the rows of the log by what was computed for them and what they store: from the jobs, unless the rows of one job differ in that.
-- Returns nothing. Lock: ACCESS SHARE (the log is read only if they do).
WITH differing AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM pg_temp.odd_job) OR EXISTS (SELECT FROM pg_temp.job_tally WHERE job_tally.state IS NULL) AS found
)
INSERT INTO pg_temp.tally (rows, outcome, stored, dangling, disregarded, self_parent, unlike)
SELECT sum(counted.rows), (counted.state / 2048)::"char", (counted.state / 16 % 128)::"char", counted.state & 8 <> 0, counted.state & 4 <> 0,
       counted.state & 2 <> 0, counted.state & 1 <> 0
FROM (
  SELECT job_tally.rows, job_tally.state FROM pg_temp.job_tally WHERE NOT (SELECT differing.found FROM differing)
  UNION ALL
  (SELECT count(*), rooted.outcome::integer * 2048 + rooted.stored::integer * 16 + rooted.marks AS state
   FROM :rooted AS rooted
   WHERE (SELECT differing.found FROM differing)
   GROUP BY state)
) AS counted
GROUP BY counted.state;
