-- Parameters: schema, table. Returns one row: saved and others (runs of this table, and of others). Lock: none on the user's table.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
SELECT count(*) FILTER (WHERE mine) AS saved, count(*) FILTER (WHERE NOT mine) AS others
FROM (SELECT (table_schema, table_name) = (:'schema', :'table') AS mine FROM llamactl.run) AS kept;
