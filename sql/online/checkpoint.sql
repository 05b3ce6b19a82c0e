-- What a batch came to, committed with it. Parameters: run, rows (written by it), total (NULL: as before), rows_per_second.
-- Lock: none on the user's table.
\if :{?run}
\else
\set run 1
\endif
\if :{?rows}
\else
\set rows 0
\endif
\if :{?total}
\else
\set total 0
\endif
\if :{?rows_per_second}
\else
\set rows_per_second 0
\endif
UPDATE llamactl.run
SET rows_done = rows_done OPERATOR(pg_catalog.+) :'rows'::bigint, rows_total = coalesce(:'total'::bigint, rows_total),
    rows_per_second = :'rows_per_second'::pg_catalog.float8, waits_for = NULL, waits_since = NULL
WHERE id OPERATOR(pg_catalog.=) :'run'::bigint;
