-- Down from the tops through the jobs with one parent. Each such job is reached from its one parent, so once, and the walk
-- ends on any input. Hash and merge joins must be off: it is to stay a nested loop of index probes, else the planner
-- rescans at each level of a deep chain. Lock: none.
INSERT INTO pg_temp.walk (job, top, steps, kind, row_count, root_lo, root_hi, root_count)
WITH RECURSIVE down AS (
  SELECT job, top, steps, kind, row_count, root_lo, root_hi, root_count FROM pg_temp.walk
  UNION ALL
  SELECT edge.job, down.top, down.steps + 1, down.kind, edge.row_count, edge.root_lo, edge.root_hi, edge.root_count
  FROM down
  JOIN pg_temp.edge ON edge.parent = down.job
  WHERE edge.job IS NOT NULL AND edge.parent_hi IS NULL
)
SELECT job, top, steps, kind, row_count, root_lo, root_hi, root_count FROM down WHERE steps > 0;
