-- Ends the run's current step and begins the next. Parameters: run, name. Returns nothing. Lock: none on the user's table.
-- Default run: 1
-- Default name: 'fill'
WITH former AS (
  UPDATE llamactl.step SET ended_at = pg_catalog.clock_timestamp() WHERE run_id OPERATOR(pg_catalog.=) :'run'::bigint AND ended_at IS NULL
)
INSERT INTO llamactl.step (run_id, number, name)
SELECT :'run'::bigint, pg_catalog.count(*) OPERATOR(pg_catalog.+) 1, :'name' FROM llamactl.step WHERE run_id OPERATOR(pg_catalog.=) :'run'::bigint;
