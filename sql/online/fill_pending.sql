-- The rows to be written, from the resolved lineage, and the rows whose value differs from what the run has tried to write.
-- Parameters: keyed (true: what is tried is recorded and compared), overwrite (true: also rows whose root differs from the computed one),
-- grace_seconds (rows younger than this whose chain leaves the log are not written), old_seconds (the age from which a row counts as
-- old), passes (over each page; see fill.sql). Lock: ACCESS SHARE.
-- Default keyed: false
-- Default overwrite: false
-- Default grace_seconds: 600
-- Default old_seconds: 600
-- Default passes: 1
INSERT INTO pg_temp.pending (place, version, pass, page, bare, old, attempts, vain, task, root, row_id)
SELECT wanted.place, wanted.version, wanted.at[1]::bigint % :'passes'::bigint, wanted.at[0]::bigint, wanted.held IS NULL, wanted.old,
       coalesce(former.times, 0),
       -- Another value is not overwritten, so it is tried only once.
       coalesce(former.times >= CASE WHEN wanted.held IS NULL OR :'overwrite'::boolean THEN 2 ELSE 1 END, false),
       'fill', wanted.root, wanted.row_id
FROM (
  SELECT seen.place, seen.version, seen.place::text::point AS at, seen.root AS held,
         CASE WHEN :'keyed'::boolean THEN seen.row_id END AS row_id,
         walked.root,
         walked.dangling AND (
           seen.created_epoch BETWEEN extract(epoch FROM now()) - :'grace_seconds'::numeric AND extract(epoch FROM now())
         ) IS TRUE AS left_alone,
         (seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric) IS TRUE AS old
  FROM pg_temp.setting
  CROSS JOIN (SELECT target.* FROM :target AS target OFFSET 0) AS seen  -- a fence: otherwise each use of a column would compute it again
  LEFT JOIN pg_temp.cut ON cut.job = seen.job
  LEFT JOIN pg_temp.lineage AS above
    ON above.job = CASE WHEN NOT (seen.flagged AND seen.job IS NOT NULL AND setting.trust_root_flag) THEN seen.parent END
  -- As in lineage/rooted.sql.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN cut.job IS NOT NULL THEN cut.root
             WHEN seen.parent IS NULL OR seen.flagged AND seen.job IS NOT NULL AND setting.trust_root_flag THEN seen.job
             ELSE above.root END AS root,
           CASE WHEN cut.job IS NOT NULL THEN cut.dangling ELSE coalesce(above.dangling, false) END AS dangling
  ) AS walked
  OFFSET 0
) AS wanted
LEFT JOIN (
  SELECT tried.row_id, tried.root, count(*) AS times FROM pg_temp.tried WHERE tried.task = 'fill' GROUP BY 1, 2
) AS former ON former.row_id = wanted.row_id AND former.root IS NOT DISTINCT FROM wanted.root
WHERE NOT wanted.left_alone
  AND (wanted.held IS NULL AND wanted.root IS NOT NULL
    OR (:'overwrite'::boolean OR former.times IS NOT NULL) AND wanted.held IS DISTINCT FROM wanted.root);
