-- The jobs whose rows' root is neither by the rule "the parent, or without one the job itself", and those that are a
-- parent and no root. A job whose rows all name one parent needs no entry of its own: its parent's serves. Lock: none.
INSERT INTO pg_temp.exception (job, root)
SELECT job, root
FROM (
  SELECT candidate.job, CASE WHEN NOT lineage.dangling OR setting.fill_dangling THEN lineage.root END AS root
  FROM (
    -- Several parents, or rows with one and rows without.
    SELECT job FROM pg_temp.edge
    WHERE job IS NOT NULL AND (parent_hi IS NOT NULL OR parent_count BETWEEN 1 AND row_count - 1)
    UNION
    SELECT parent FROM pg_temp.edge WHERE parent IS NOT NULL
  ) AS candidate
  CROSS JOIN pg_temp.setting
  LEFT JOIN pg_temp.lineage ON lineage.job = candidate.job
) AS known
WHERE root IS DISTINCT FROM job;

ANALYZE pg_temp.exception;
