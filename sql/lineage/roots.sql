-- The root of every job that has one; ambiguous jobs have none. One step further down than the walk. Lock: none.
INSERT INTO pg_temp.lineage (job, root, depth, ambiguous, dangling, row_count, root_count, held)
SELECT job, root, depth, root IS NULL, dangling, row_count, root_count, pg_temp.held(root_lo, root_hi, root)
FROM (
  SELECT edge.job, CASE WHEN edge.parent IS NULL THEN edge.job ELSE above.root END AS root,
         CASE WHEN edge.parent IS NULL THEN 0 ELSE above.depth + 1 END AS depth,
         CASE WHEN edge.parent IS NULL THEN false ELSE above.dangling END AS dangling,
         edge.row_count, edge.root_count, edge.root_lo, edge.root_hi
  FROM pg_temp.edge
  LEFT JOIN (
    SELECT job, top AS root, steps AS depth, kind = 'd' AS dangling FROM pg_temp.walk WHERE kind <> 'c'
    UNION ALL
    SELECT walk.job, cut.root, walk.steps + cut.depth, cut.dangling
    FROM pg_temp.walk
    JOIN pg_temp.cut ON cut.job = walk.top
    WHERE walk.kind = 'c' AND cut.solved
  ) AS above ON above.job = edge.parent
  WHERE edge.job IS NOT NULL AND edge.parent_hi IS NULL AND (edge.parent IS NULL OR above.job IS NOT NULL)
) AS known;

INSERT INTO pg_temp.lineage (job, root, depth, ambiguous, dangling, row_count, root_count, held)
SELECT cut.job, cut.root, cut.depth, cut.root IS NULL, cut.dangling, edge.row_count, edge.root_count,
       pg_temp.held(edge.root_lo, edge.root_hi, cut.root)
FROM pg_temp.cut
JOIN pg_temp.edge ON edge.job = cut.job
WHERE cut.solved;

INSERT INTO pg_temp.lineage (job, root, depth, ambiguous, dangling)
SELECT job, job, 0, false, true FROM pg_temp.inner_job WHERE kind = 'd';

ANALYZE pg_temp.lineage (job, root);
