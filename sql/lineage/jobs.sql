-- Groups the log by job in one pass, to find the jobs that are no nodes and whose rows disagree on the parent, and to count all others.
-- Nothing is written for each of those. Sorts must be off, as for named.sql. Lock: ACCESS SHARE.
WITH counted AS MATERIALIZED (
  SELECT CASE WHEN grouped.job IS NOT NULL AND grouped.lo / 262144 <> grouped.hi / 262144 THEN grouped.job END AS odd_job,
         CASE WHEN grouped.lo = grouped.hi THEN (grouped.lo % 262144)::integer END AS state,
         CASE WHEN grouped.depth IS NOT NULL THEN least(grouped.depth, 20) END AS depth,
         count(grouped.job) AS jobs, sum(grouped.rows)::bigint AS rows, max(grouped.depth) AS max_depth
  FROM (
    SELECT linked.job, min(linked.code) AS lo, max(linked.code) AS hi, count(*) AS rows, max(linked.depth) AS depth
    FROM (
      -- Links may be negative.
      SELECT rooted.job, rooted.depth,
             (rooted.link::bigint + 4294967296) * 262144 + rooted.outcome::integer * 2048 + rooted.stored::integer * 16 + rooted.marks AS code
      FROM :rooted AS rooted
      OFFSET 0  -- a fence: so that groups that do not fit in memory are written without unused columns
    ) AS linked
    GROUP BY linked.job, CASE WHEN linked.job IS NULL THEN linked.code END
  ) AS grouped
  GROUP BY 1, 2, 3
), odd AS (
  INSERT INTO pg_temp.odd_job (job)
  SELECT counted.odd_job FROM counted WHERE counted.odd_job IS NOT NULL
)
INSERT INTO pg_temp.job_tally (jobs, rows, depth, max_depth, state)
SELECT counted.jobs, counted.rows, counted.depth, counted.max_depth, counted.state
FROM counted
WHERE counted.odd_job IS NULL;

ANALYZE pg_temp.odd_job;
