-- Parameter: runs (the ids of those that undo deletes). Returns one row: others (the number of other runs).
-- Lock: none on the user's table.
-- Default runs: '{}'
SELECT count(*) AS others FROM llamactl.run WHERE id <> ALL (:'runs'::bigint[]);
