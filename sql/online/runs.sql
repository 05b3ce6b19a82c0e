-- The recorded runs of a table, and of tables that no longer exist, the newest first. A recorded oid is only valid in the database in
-- which it was recorded: each run stores the oid that llamactl.run had then. If that differs now, the database was restored from a dump,
-- and runs are matched by the table's name, as are those of 0.1, which recorded no oid.
-- Parameters: relation (the table's oid, or its name as regclass reads it), schema, table.
-- Returns: id, command, backend_pid, began_at, ended_at (NULL: it is running, or was interrupted), rows_done, rows_total,
--   rows_per_second, waits_for, waits_since, same_table (false: its table no longer exists), same_name, restored (recorded before the
--   database was restored). Lock: none on the user's table. Run it after create_state.sql.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
SELECT recorded.id, recorded.command, recorded.backend_pid, recorded.began_at, recorded.ended_at, recorded.rows_done,
       recorded.rows_total, recorded.rows_per_second, recorded.waits_for, recorded.waits_since, recorded.same_table,
       recorded.same_name, recorded.restored
FROM (SELECT NULL::oid AS table_oid, NULL::oid AS recorded_in) AS absent  -- 0.1's table lacks these
CROSS JOIN LATERAL (
  SELECT run.id, run.command, run.backend_pid, run.began_at, run.ended_at, run.rows_done, run.rows_total, run.rows_per_second,
         run.waits_for, run.waits_since,
         CASE WHEN recorded_in = run.tableoid AND table_oid IS NOT NULL THEN table_oid = :'relation'::regclass::oid
           ELSE run.table_schema = :'schema' AND run.table_name = :'table' END AS same_table,
         run.table_schema = :'schema' AND run.table_name = :'table' AS same_name,
         recorded_in IS NOT NULL AND recorded_in <> run.tableoid AS restored,
         recorded_in = run.tableoid
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = table_oid) AS gone
  FROM llamactl.run
) AS recorded
WHERE recorded.same_table OR recorded.gone
ORDER BY recorded.id DESC;
