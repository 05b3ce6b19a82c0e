-- After filling: counts the rows without their root, those whose root differs from the computed one (including the former), and the rows
-- with the root flag that still have a parent. Returns one row: unfilled, differing, uncleared. Lock: ACCESS SHARE.
SELECT count(*) FILTER (WHERE rooted.root IS NULL AND rooted.computed IS NOT NULL) AS unfilled,
       count(*) FILTER (WHERE rooted.root IS DISTINCT FROM rooted.computed) AS differing,
       count(rooted.disregarded_parent) AS uncleared
FROM :rooted AS rooted;
