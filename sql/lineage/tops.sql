-- Where the walks down begin: jobs without a parent, jobs with several, and dangling parents. Lock: none.
INSERT INTO pg_temp.walk (job, top, steps, kind, row_count, root_lo, root_hi, root_count)
SELECT job, job, 0, CASE WHEN parent IS NULL THEN 'r' ELSE 'c' END::"char", row_count, root_lo, root_hi, root_count
FROM pg_temp.edge
WHERE job IS NOT NULL AND (parent IS NULL OR parent_hi IS NOT NULL);

INSERT INTO pg_temp.walk (job, top, steps, kind)
SELECT parent, parent, 0, 'd'
FROM (
  (SELECT parent FROM pg_temp.edge WHERE parent IS NOT NULL AND parent_hi IS NULL
   UNION
   SELECT parent FROM pg_temp.cut_parent)
  EXCEPT
  SELECT job FROM pg_temp.edge
) AS dangling;

ANALYZE pg_temp.walk;
