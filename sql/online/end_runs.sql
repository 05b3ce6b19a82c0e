-- Records interrupted runs as complete, since the table has been migrated. Parameter: runs (their ids).
-- Lock: none on the user's table.
-- Default runs: '{}'
UPDATE llamactl.run SET ended_at = pg_catalog.clock_timestamp() WHERE id OPERATOR(pg_catalog.=) ANY (:'runs'::bigint[]) AND ended_at IS NULL;
