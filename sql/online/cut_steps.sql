-- The steps at which runs were cut that nobody has completed since, and drop_users_index wherever one of them came to it. Parameters:
-- schema, table, command. Returns: name ('': before its first step). Lock: none on the user's table.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
\if :{?command}
\else
\set command 'migrate'
\endif
SELECT DISTINCT coalesce(step.name, '') AS name
FROM llamactl.run
LEFT JOIN llamactl.step ON step.run_id = run.id AND (step.ended_at IS NULL OR step.name = 'drop_users_index')
WHERE run.table_schema = :'schema' AND run.table_name = :'table' AND run.command = :'command' AND run.ended_at IS NULL
  AND NOT EXISTS (
    SELECT
    FROM llamactl.run AS completed
    WHERE completed.table_schema = :'schema' AND completed.table_name = :'table' AND completed.command = :'command'
      AND completed.id > run.id AND completed.ended_at IS NOT NULL);
