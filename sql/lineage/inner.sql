-- The jobs that are a parent of another job, and the kind of each. Lock: none.
INSERT INTO pg_temp.inner_job (job, parent, kind, root_lo, root_hi)
SELECT named.job, CASE WHEN edge.parent_hi IS NULL THEN edge.parent END,
       CASE WHEN edge.job IS NULL THEN 'd' WHEN edge.parent IS NULL THEN 'r' WHEN edge.parent_hi IS NULL THEN 'p' ELSE 'c' END::"char",
       edge.root_lo, edge.root_hi
FROM (
  SELECT parent AS job FROM pg_temp.edge WHERE parent IS NOT NULL AND parent_hi IS NULL
  UNION
  SELECT parent FROM pg_temp.cut_parent
) AS named
LEFT JOIN pg_temp.edge ON edge.job = named.job
ORDER BY 2;

ANALYZE pg_temp.inner_job (job, parent, kind);
