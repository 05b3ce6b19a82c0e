-- The rows whose parent the root flag disregards, and is to be cleared. Parameter: old_seconds (from this age on a row counts as old).
-- Lock: ACCESS SHARE.
\if :{?old_seconds}
\else
\set old_seconds 600
\endif
INSERT INTO pg_temp.pending (place, pass, page, bare, old, flagged, task, job, parent)
SELECT seen.place, 0, (seen.place::text::point)[0]::bigint, false,
       (seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric) IS TRUE, true, 'clear', seen.job, seen.parent
FROM :target AS seen
WHERE seen.flagged AND seen.job IS NOT NULL AND seen.parent IS NOT NULL
  AND EXISTS (SELECT FROM pg_temp.edge WHERE disregarded_count > 0);
