-- With their steps; the runs of other tables are still kept. Parameter: runs (their ids). Lock: none on the user's table.
-- Default runs: '{}'
DELETE FROM llamactl.run WHERE id OPERATOR(pg_catalog.=) ANY (:'runs'::bigint[]);
