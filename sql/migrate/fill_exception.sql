-- The jobs whose rows' root is neither by the rule "the parent, or without one the job itself", and those that are a
-- parent and no root. A job whose rows all name one parent needs no entry of its own: its parent's serves. Lock: none.
INSERT INTO pg_temp.exception (job, root)
SELECT job, root FROM (
  -- Several parents, or rows with one and rows without.
  SELECT graded.job, graded.root
  FROM pg_temp.graded
  JOIN pg_temp.edge ON edge.job = graded.job
  WHERE edge.parent_hi IS NOT NULL OR edge.parent_count BETWEEN 1 AND edge.row_count - 1
  UNION
  SELECT parent.job, CASE WHEN lineage.root IS NOT NULL AND (NOT lineage.dangling OR setting.fill_dangling) THEN lineage.root END
  FROM (SELECT DISTINCT parent AS job FROM pg_temp.edge WHERE parent IS NOT NULL) AS parent
  CROSS JOIN pg_temp.setting
  LEFT JOIN pg_temp.lineage ON lineage.job = parent.job
) AS candidate
WHERE root IS DISTINCT FROM job;

ANALYZE pg_temp.exception;
