-- Walks down from the tops (inner jobs without a parent or with several, dangling parents) through the inner jobs with one parent. Each
-- is reached from its only parent, so only once, and the walk ends on any input. It must stay a loop of index probes, whatever the
-- estimates are: otherwise the planner reads the table again at each level of a deep chain, or for each child of a wide job. So the
-- probe is behind a fence, and sequential scans must be off. Lock: none.
INSERT INTO pg_temp.walk (job, top, steps, kind)
WITH RECURSIVE down AS (
  SELECT job, job AS top, 0 AS steps, kind FROM pg_temp.inner_job WHERE kind <> 'p'
  UNION ALL
  SELECT child.job, down.top, down.steps + 1, down.kind
  FROM down
  CROSS JOIN LATERAL (
    SELECT inner_job.job FROM pg_temp.inner_job WHERE inner_job.parent = down.job AND inner_job.kind = 'p' OFFSET 0
  ) AS child
)
SELECT job, top, steps, kind FROM down;

ANALYZE pg_temp.walk;
