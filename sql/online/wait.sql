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
SET waits_for = :'reason'::pg_catalog.text,
    waits_since = CASE WHEN :'reason'::pg_catalog.text IS NOT NULL THEN coalesce(waits_since, pg_catalog.clock_timestamp()) END
WHERE id OPERATOR(pg_catalog.=) :'run'::bigint;
