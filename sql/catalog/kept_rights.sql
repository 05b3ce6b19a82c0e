-- The role's privileges on what llamactl keeps in its schema, in the order in which they are granted. Reads only the catalogs, which
-- any role may. Parameters: none.
-- Returns one row per existing object: kind (database, schema, table), name, held (the privileges that the role has).
-- Lock: none.
WITH kept AS (
  SELECT n.oid, n.nspname::text AS name FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'llamactl'
    AND has_schema_privilege(n.oid, 'USAGE') IS NOT NULL  -- NULL: dropped since the snapshot
)
SELECT 'database' AS kind, d.datname::text AS name,
       ARRAY(SELECT 'CREATE'::text WHERE has_database_privilege(d.oid, 'CREATE')) AS held
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()
UNION ALL
SELECT 'schema', kept.name,
       ARRAY(SELECT wanted.name FROM unnest(ARRAY['USAGE', 'CREATE']) AS wanted (name) WHERE has_schema_privilege(kept.oid, wanted.name))
FROM kept
UNION ALL
SELECT 'table', c.relname::text,
       ARRAY(SELECT wanted.name FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS wanted (name) WHERE has_table_privilege(c.oid, wanted.name))
FROM kept
JOIN pg_catalog.pg_class AS c ON c.relnamespace = kept.oid
WHERE c.relkind = 'r' AND c.relname IN ('cleared_parent', 'run', 'step')
  AND has_table_privilege(c.oid, 'SELECT') IS NOT NULL
ORDER BY 1, 2;
