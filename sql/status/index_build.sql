-- The index that a backend is building, as far as the role may see it. Parameter: pid.
-- Returns one row, or none: index_name, phase, blocks_done, blocks_total, lockers_done and lockers_total (transactions to wait for).
-- Lock: none.
-- Default pid: 0
SELECT coalesce(c.relname::text, '') AS index_name, built.phase, built.blocks_done, built.blocks_total, built.lockers_done,
       built.lockers_total
FROM pg_catalog.pg_stat_progress_create_index AS built
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = built.index_relid
WHERE built.pid = :'pid'::integer AND built.phase IS NOT NULL;
