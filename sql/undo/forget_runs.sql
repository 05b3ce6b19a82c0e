-- Deletes runs and their steps; the runs of other tables are still needed. Parameter: runs (their ids). Lock: none on the user's table.
-- Default runs: '{}'
DELETE FROM llamactl.run WHERE id OPERATOR(pg_catalog.=) ANY (:'runs'::bigint[]);
