-- Says what the run waits for; NULL: for nothing. Parameters: run, reason. Lock: none on the user's table.
\if :{?run}
\else
\set run 1
\endif
\if :{?reason}
\else
\set reason ''
\endif
UPDATE llamactl.run
SET waits_for = :'reason'::text,
    waits_since = CASE WHEN :'reason'::text IS NOT NULL THEN coalesce(waits_since, clock_timestamp()) END
WHERE id = :'run'::bigint;
