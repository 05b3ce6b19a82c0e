-- The number of computed roots; run it after lineage is resolved. Parameter: days (over which growth is computed).
-- Returns one row: roots, recent_roots (whose first row is within these days). Lock: ACCESS SHARE.
-- Default days: 30
SELECT count(*) AS roots,
       count(*) FILTER (
         WHERE extract(epoch FROM now()) - first_epoch BETWEEN 0 AND :'days'::integer * 86400) AS recent_roots
FROM (
  SELECT rooted.computed, min(rooted.created_epoch) AS first_epoch
  FROM :rooted AS rooted
  WHERE rooted.computed IS NOT NULL
  GROUP BY rooted.computed
) AS began;
