-- The number of computed roots; run it after lineage is resolved. Parameter: days (over which growth is computed).
-- Returns one row: roots, recent_roots (whose first row is within these days). Lock: ACCESS SHARE.
-- Default days: 30
SELECT count(*) AS roots,
       count(*) FILTER (
         WHERE extract(epoch FROM now()) - first_epoch BETWEEN 0 AND :'days'::integer * 86400) AS recent_roots
FROM (
  SELECT graded.root, min(entry.created_epoch) AS first_epoch
  FROM :entry AS entry
  JOIN pg_temp.graded
    ON coalesce(graded.job, graded.parent) = coalesce(entry.job, entry.parent)
   AND (graded.job IS NULL) = (entry.job IS NULL)
  WHERE graded.root IS NOT NULL
  GROUP BY graded.root
) AS began;
