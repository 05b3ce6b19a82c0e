-- Parameters: relation (the table's oid, or its name as regclass reads it), schema, table, command. Returns: id.
-- Lock: none on the user's table.
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
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
INSERT INTO llamactl.run (table_oid, recorded_in, table_schema, table_name, command, backend_pid)
VALUES (:'relation'::pg_catalog.regclass, 'llamactl.run'::pg_catalog.regclass, :'schema', :'table', :'command', pg_catalog.pg_backend_pid())
RETURNING id;
