-- After the fill: the rows that do not hold what was computed, and the flagged rows that still have a parent.
-- Returns one row: differing, uncleared. Lock: ACCESS SHARE.
SELECT count(*) FILTER (
         WHERE entry.root IS DISTINCT FROM
               CASE WHEN NOT lineage.dangling OR (SELECT fill_dangling FROM pg_temp.setting) THEN lineage.root END
       ) AS differing,
       count(entry.disregarded_parent) AS uncleared
FROM :entry AS entry
LEFT JOIN pg_temp.lineage ON lineage.job = coalesce(entry.job, entry.parent);
