-- The parent edges among the cyclic jobs.
-- Lock: none.
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
