-- The counts, from jobs.sql and tally.sql. One row; its columns are those of the JSON, nested names joined by "_"; `missing` counts the
-- rows without their computed root. Lock: none.
WITH job_depth AS (
  SELECT job.depth, sum(job.jobs) AS jobs, max(job.max_depth) AS max_depth
  FROM (
    SELECT job_tally.depth, job_tally.jobs, job_tally.max_depth FROM pg_temp.job_tally WHERE job_tally.depth IS NOT NULL
    UNION ALL
    SELECT least(cut.depth, 20), 1, cut.depth FROM pg_temp.cut WHERE cut.number IS NULL AND cut.solved
  ) AS job
  GROUP BY job.depth
)
SELECT coalesce(sum(rows), 0)::bigint AS total,
       coalesce(sum(rows) FILTER (WHERE outcome IN ('o', 'd')), 0)::bigint AS filled,
       coalesce(sum(rows) FILTER (WHERE outcome NOT IN ('o', 'd')), 0)::bigint AS orphans,
       coalesce(sum(rows) FILTER (WHERE outcome = 'o'), 0)::bigint AS filled_by_root,
       coalesce(sum(rows) FILTER (WHERE outcome = 'd'), 0)::bigint AS filled_by_descendant,
       coalesce(sum(rows) FILTER (WHERE outcome = 'u'), 0)::bigint AS orphans_by_untracked,
       coalesce(sum(rows) FILTER (WHERE outcome = 'y'), 0)::bigint AS orphans_by_cyclic,
       coalesce(sum(rows) FILTER (WHERE outcome = 'a'), 0)::bigint AS orphans_by_ambiguous,
       coalesce(sum(rows) FILTER (WHERE outcome = 'n'), 0)::bigint AS orphans_by_dangling,
       coalesce(sum(rows) FILTER (WHERE dangling), 0)::bigint AS dangling,
       coalesce(sum(rows) FILTER (WHERE stored = 'r'), 0)::bigint AS already_set,
       coalesce(sum(rows) FILTER (WHERE stored = 'x'), 0)::bigint AS conflicts,
       coalesce(sum(rows) FILTER (WHERE outcome IN ('o', 'd') AND stored = '-'), 0)::bigint AS missing,
       coalesce((SELECT max(max_depth) FROM job_depth), 0) AS max_depth,
       (SELECT array_agg(coalesce(job_depth.jobs, 0)::bigint ORDER BY bucket)
        FROM generate_series(0, 20) AS bucket
        LEFT JOIN job_depth ON job_depth.depth = bucket) AS jobs_by_depth
FROM pg_temp.tally;
