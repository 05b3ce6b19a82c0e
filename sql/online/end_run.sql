-- Records that the run is complete. Parameter: run. Returns nothing. Lock: none on the user's table.
-- Default run: 1
WITH last AS (
  UPDATE llamactl.step SET ended_at = pg_catalog.clock_timestamp() WHERE run_id OPERATOR(pg_catalog.=) :'run'::bigint AND ended_at IS NULL
)
UPDATE llamactl.run
SET ended_at = pg_catalog.clock_timestamp(), waits_for = NULL, waits_since = NULL
WHERE id OPERATOR(pg_catalog.=) :'run'::bigint;
