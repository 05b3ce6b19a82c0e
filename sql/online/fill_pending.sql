-- The pages with rows to be written. Parameters: overwrite (see fill_root_of.sql), grace_seconds (rows younger than this whose chain
-- leaves the log are left alone), old_seconds (from this age on a row counts as old). Lock: ACCESS SHARE.
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
INSERT INTO pg_temp.pending (task, page, rows, bare, old)
SELECT 'fill', (seen.place::text::point)[0]::bigint, count(*), count(*) FILTER (WHERE seen.root IS NULL),
       count(*) FILTER (WHERE seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric)
FROM pg_temp.target AS seen
LEFT JOIN pg_temp.root_of ON root_of.job = coalesce(seen.job, seen.parent) AND root_of.jobless = (seen.job IS NULL)
WHERE (seen.root IS NULL AND root_of.root IS NOT NULL
       OR :'overwrite'::boolean AND seen.root IS DISTINCT FROM root_of.root
          AND (root_of.job IS NOT NULL OR seen.job IS NULL AND seen.parent IS NULL))
  AND NOT (coalesce(root_of.dangling, false) AND (
    seen.created_epoch BETWEEN extract(epoch FROM now()) - :'grace_seconds'::numeric AND extract(epoch FROM now())) IS TRUE)
GROUP BY 2
UNION ALL
SELECT 'clear', (seen.place::text::point)[0]::bigint, count(*), 0,
       count(*) FILTER (WHERE seen.created_epoch < extract(epoch FROM now()) - :'old_seconds'::numeric)
FROM pg_temp.target AS seen
WHERE seen.flagged AND seen.job IS NOT NULL AND seen.parent IS NOT NULL
  AND EXISTS (SELECT FROM pg_temp.edge WHERE disregarded_count > 0)
GROUP BY 2;
