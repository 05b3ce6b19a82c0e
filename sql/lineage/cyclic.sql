-- The cyclic jobs, numbered in the order of their ids, and the parent edges among them.
-- Parameters: integers (the ids are integers, and ordered as such; else byte by byte).
-- Lock: none.
-- Default integers: false
INSERT INTO pg_temp.cyclic (number, job)
SELECT row_number() OVER (ORDER BY CASE WHEN :'integers'::boolean THEN edge.job::numeric END, edge.job), edge.job
FROM pg_temp.edge
LEFT JOIN pg_temp.lineage ON lineage.job = edge.job
WHERE edge.job IS NOT NULL AND lineage.job IS NULL;

ANALYZE pg_temp.cyclic;

INSERT INTO pg_temp.cyclic_edge (child, parent)
SELECT child.number, parent.number
FROM (
  SELECT job, parent FROM pg_temp.edge WHERE job IS NOT NULL AND parent_hi IS NULL
  UNION ALL
  SELECT job, parent FROM pg_temp.cut_parent
) AS named
JOIN pg_temp.cyclic AS child ON child.job = named.job
JOIN pg_temp.cyclic AS parent ON parent.job = named.parent;
