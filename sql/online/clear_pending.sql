-- The rows with the root flag whose parent is to be cleared. Parameter: old_seconds (the age from which a row counts as old).
-- Lock: ACCESS SHARE.
-- Default old_seconds: 600
INSERT INTO pg_temp.pending (place, version, pass, page, bare, old, attempts, vain, task)
SELECT seen.place, seen.version, 0, (seen.place::text::point)[0]::bigint, false,
       (seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric) IS TRUE,
       coalesce(former.times, 0), coalesce(former.times, 0) >= 2, 'clear'
FROM :target AS seen
LEFT JOIN (SELECT tried.row_id, count(*) AS times FROM pg_temp.tried WHERE tried.task = 'clear' GROUP BY 1) AS former
  ON former.row_id = seen.row_id
WHERE seen.flagged AND seen.job IS NOT NULL AND seen.parent IS NOT NULL
  AND EXISTS (SELECT FROM pg_temp.tally WHERE tally.disregarded);
