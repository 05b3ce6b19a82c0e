-- Records what the run is waiting for; NULL: nothing. Parameters: run, reason. Lock: none on the user's table.
-- Default run: 1
-- Default reason: ''
UPDATE llamactl.run
SET waits_for = :'reason'::pg_catalog.text,
    waits_since = CASE WHEN :'reason'::pg_catalog.text IS NOT NULL THEN coalesce(waits_since, pg_catalog.clock_timestamp()) END
WHERE id OPERATOR(pg_catalog.=) :'run'::bigint;
