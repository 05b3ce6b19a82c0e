-- Records the result of a batch, in its transaction. Parameters: run, rows (that it wrote), total (NULL: unchanged), rows_per_second.
-- Lock: none on the user's table.
-- Default run: 1
-- Default rows: 0
-- Default total: 0
-- Default rows_per_second: 0
UPDATE llamactl.run
SET rows_done = rows_done OPERATOR(pg_catalog.+) :'rows'::bigint, rows_total = coalesce(:'total'::bigint, rows_total),
    rows_per_second = :'rows_per_second'::pg_catalog.float8, waits_for = NULL, waits_since = NULL
WHERE id OPERATOR(pg_catalog.=) :'run'::bigint;
