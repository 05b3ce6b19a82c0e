-- The steps of a run, in order. Parameter: run. Returns: name, began_at, ended_at (NULL: it is running, or was interrupted).
-- Lock: none on the user's table. Run it after online/create_state.sql.
-- Default run: 1
SELECT step.name, step.began_at, step.ended_at
FROM llamactl.step
WHERE step.run_id = :'run'::bigint
ORDER BY step.number;
