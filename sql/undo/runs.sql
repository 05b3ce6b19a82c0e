-- Parameters: schema, table. Returns one row: saved and others (runs of this table, and of others), unfinished (names of the steps
-- that a cut left open). Lock: none on the user's table.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
SELECT count(*) FILTER (WHERE mine) AS saved, count(*) FILTER (WHERE NOT mine) AS others,
       ARRAY(
         SELECT DISTINCT step.name
         FROM llamactl.step JOIN llamactl.run ON run.id = step.run_id
         WHERE step.ended_at IS NULL AND run.table_schema = :'schema' AND run.table_name = :'table'
         ORDER BY 1
       ) AS unfinished
FROM (SELECT (table_schema, table_name) = (:'schema', :'table') AS mine FROM llamactl.run) AS kept;
