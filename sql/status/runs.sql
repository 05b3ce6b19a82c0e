-- The newest run of each command on a table, the newest of all first. Parameters: schema, table.
-- Returns: id, command, backend_pid, began_at, ended_at (NULL: it runs, or was cut), rows_done, rows_total, rows_per_second,
--   waits_for, waits_since. Lock: none on the user's table. Comes after online/create_state.sql.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
SELECT run.id, run.command, run.backend_pid, run.began_at, run.ended_at, run.rows_done, run.rows_total, run.rows_per_second,
       run.waits_for, run.waits_since
FROM llamactl.run
WHERE run.id IN (
  SELECT max(newest.id)
  FROM llamactl.run AS newest
  WHERE newest.table_schema = :'schema' AND newest.table_name = :'table'
  GROUP BY newest.command)
ORDER BY run.id DESC;
