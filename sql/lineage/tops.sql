-- Where the walks down begin: jobs without a parent, jobs with several, and dangling parents. Lock: none.
INSERT INTO pg_temp.walk (job, top, steps, kind)
SELECT job, job, 0, CASE WHEN parent IS NULL THEN 'r' ELSE 'c' END::"char"
FROM pg_temp.edge
WHERE job IS NOT NULL AND (parent IS NULL OR parent_hi IS NOT NULL);

INSERT INTO pg_temp.walk (job, top, steps, kind)
SELECT named.parent, named.parent, 0, 'd'
FROM (
  SELECT parent FROM pg_temp.edge WHERE parent IS NOT NULL AND parent_hi IS NULL
  UNION
  SELECT parent FROM pg_temp.cut_parent
) AS named
LEFT JOIN pg_temp.edge AS logged ON logged.job = named.parent
WHERE logged.job IS NULL;

ANALYZE pg_temp.walk;
