-- Walks down from the tops (nodes without a parent, dangling parents, cuts) through the nodes with one parent. Each is reached from its only
-- parent, so only once, and the walk ends on any input. It must stay a loop of index probes, whatever the estimates are: otherwise the
-- planner reads the table again at each level of a deep chain, or for each child of a wide job. So the probe is behind a fence, and
-- sequential scans must be off. Lock: none.
INSERT INTO pg_temp.lineage (number, top, depth, kind, dangling, job, root, root_lo, root_hi)
WITH RECURSIVE down AS (
  SELECT number, number AS top, 0 AS depth, kind, job,
         CASE WHEN kind = 'r' OR kind = 'd' AND (SELECT setting.fill_dangling FROM pg_temp.setting) THEN job END AS root, root_lo, root_hi
  FROM pg_temp.edge
  WHERE kind IN ('r', 'd', 'c')
  UNION ALL
  SELECT child.number, down.top, down.depth + 1, down.kind, child.job, down.root, child.root_lo, child.root_hi
  FROM down
  CROSS JOIN LATERAL (
    SELECT edge.number, edge.job, edge.root_lo, edge.root_hi
    FROM pg_temp.edge
    WHERE edge.parent = down.number AND edge.kind = 'p'
    OFFSET 0
  ) AS child
)
SELECT number, top, depth, kind, kind = 'd', job, root, nullif(root_lo, root), root_hi FROM down;

ANALYZE pg_temp.lineage (number, top, job);
