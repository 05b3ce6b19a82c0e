-- The rows that are to be written, from the resolved lineage. Parameters: overwrite (true: also those that hold another root than the
-- computed one), grace_seconds (rows younger than this whose chain leaves the log are left alone), old_seconds (from this age on a
-- row counts as old), passes (over each page; see fill.sql). Lock: ACCESS SHARE.
\if :{?overwrite}
\else
\set overwrite false
\endif
\if :{?grace_seconds}
\else
\set grace_seconds 600
\endif
\if :{?old_seconds}
\else
\set old_seconds 600
\endif
\if :{?passes}
\else
\set passes 1
\endif
INSERT INTO pg_temp.pending (place, pass, page, bare, old, flagged, task, job, parent, root)
SELECT wanted.place, wanted.at[1]::bigint % :'passes'::bigint, wanted.at[0]::bigint, wanted.held IS NULL, wanted.old, wanted.flagged,
       'fill', wanted.job, wanted.parent, wanted.root
FROM (
  SELECT seen.place, seen.place::text::point AS at, seen.root AS held, seen.flagged, seen.job, seen.parent,
         CASE WHEN NOT lineage.dangling OR setting.fill_dangling THEN lineage.root END AS root,
         coalesce(lineage.dangling, false) AND (
           seen.created_epoch BETWEEN extract(epoch FROM now()) - :'grace_seconds'::numeric AND extract(epoch FROM now())
         ) IS TRUE AS left_alone,
         (seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric) IS TRUE AS old
  FROM pg_temp.setting
  CROSS JOIN (SELECT target.* FROM :target AS target OFFSET 0) AS seen  -- a fence: else each use of a column would work it out again
  LEFT JOIN pg_temp.lineage ON lineage.job = coalesce(seen.job, seen.parent)
  OFFSET 0
) AS wanted
WHERE NOT wanted.left_alone
  AND (wanted.held IS NULL AND wanted.root IS NOT NULL OR :'overwrite'::boolean AND wanted.held IS DISTINCT FROM wanted.root);
