-- Which relations have the name that was asked for.
-- Parameters: schema (empty: those that the search path shows), table (empty: "LlamaLog" and llama_logs).
-- Returns: oid, schema_name, table_name, usable (whether the role may look into the schema).
\if :{?schema}
\else
\set schema ''
\endif
\if :{?table}
\else
\set table ''
\endif
SELECT
  c.oid::bigint AS oid,
  n.nspname::text AS schema_name,
  c.relname::text AS table_name,
  has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN :'table'::text = '' THEN c.relname::text IN ('LlamaLog', 'llama_logs')
      ELSE c.relname::text = :'table'::text END
  AND CASE WHEN :'schema'::text = '' THEN pg_table_is_visible(c.oid)
        -- In a schema of the path that the role may not look into: to be told, not passed by.
        OR NOT has_schema_privilege(n.oid, 'USAGE')
           AND n.nspname::text = ANY (
             string_to_array(regexp_replace(current_setting('search_path'), '[" ]', '', 'g'), ',')
             || CASE WHEN current_setting('search_path') LIKE '%$user%' THEN current_user::text END)
      ELSE n.nspname::text = :'schema'::text END
ORDER BY 2, 3;
