-- After filling: counts the rows without their root, those whose root differs from the computed one (including the former), and the rows
-- with the root flag that still have a parent. Returns one row: unfilled, differing, uncleared. Lock: ACCESS SHARE.
SELECT count(*) FILTER (WHERE proved.held IS NULL AND proved.root IS NOT NULL) AS unfilled,
       count(*) FILTER (WHERE proved.held IS DISTINCT FROM proved.root) AS differing,
       count(proved.disregarded_parent) AS uncleared
FROM (
  SELECT entry.root AS held, entry.disregarded_parent,
         CASE WHEN NOT lineage.dangling OR (SELECT fill_dangling FROM pg_temp.setting) THEN lineage.root END AS root
  FROM :entry AS entry
  LEFT JOIN pg_temp.lineage ON lineage.job = coalesce(entry.job, entry.parent)
) AS proved;
