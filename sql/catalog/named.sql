-- The relation that has a name now. Parameters: schema, table. Returns: oid, or no row. Lock: none.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
SELECT c.oid::bigint AS oid
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = :'schema'::text AND c.relname = :'table'::text;
