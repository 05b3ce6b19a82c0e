-- Parameter: runs (the ids of those that undo forgets). Returns one row: others (how many runs there are besides).
-- Lock: none on the user's table.
-- Default runs: '{}'
SELECT count(*) AS others FROM llamactl.run WHERE id <> ALL (:'runs'::bigint[]);
