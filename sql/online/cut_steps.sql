-- The steps at which runs were interrupted, and drop_users_index if any of them reached it. Parameter: runs (their ids).
-- Returns: name ('': before the first step). Lock: none on the user's table.
-- Default runs: '{}'
SELECT DISTINCT coalesce(step.name, '') AS name
FROM llamactl.run
LEFT JOIN llamactl.step ON step.run_id = run.id AND (step.ended_at IS NULL OR step.name = 'drop_users_index')
WHERE run.id = ANY (:'runs'::bigint[]);
