-- The root of the jobs that are no nodes and whose rows disagree on the parent: that of their parents, if it is one. A job one of whose
-- parents is cyclic is cyclic. Lock: ACCESS SHARE (the log is read only if there are such jobs).
INSERT INTO pg_temp.cut (job, solved, top, root, depth, dangling)
SELECT above.job, above.solved, node.number,
       CASE WHEN NOT above.dangling OR (SELECT setting.fill_dangling FROM pg_temp.setting) THEN node.job END,
       CASE WHEN above.solved THEN above.depth END, node.number IS NOT NULL AND above.dangling
FROM (
  SELECT entry.job,
         bool_and(lineage.number IS NOT NULL) AS solved,
         -- Ambiguous parents have none.
         CASE WHEN count(lineage.top) = count(*) AND min(lineage.top) = max(lineage.top) THEN min(lineage.top) END AS top,
         max(lineage.depth) + 1 AS depth, bool_or(lineage.dangling) AS dangling
  FROM :entry AS entry
  JOIN pg_temp.odd_job ON odd_job.job = entry.job
  LEFT JOIN pg_temp.lineage ON lineage.job = entry.parent
  WHERE entry.parent IS NOT NULL
  GROUP BY entry.job
) AS above
LEFT JOIN pg_temp.node ON node.number = above.top AND above.solved;

ANALYZE pg_temp.cut;
