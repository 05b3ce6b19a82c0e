-- What there is for recording runs. Reads catalogs only, which any role may.
-- Returns one row: schema_present, present (the tables), recordable (the role may record a run: in the tables, or by making them).
-- Lock: none.
WITH kept AS (
  SELECT n.oid, has_schema_privilege(n.oid, 'USAGE') AS usable, has_schema_privilege(n.oid, 'CREATE') AS creatable
  FROM pg_catalog.pg_namespace AS n
  WHERE n.nspname = 'llamactl'
), held AS (
  SELECT bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                  AND has_table_privilege(c.oid, 'UPDATE')) AS writable
  FROM kept
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = kept.oid
  WHERE c.relkind = 'r' AND c.relname IN ('run', 'step')
)
SELECT EXISTS (SELECT FROM kept) AS schema_present,
       held.writable IS NOT NULL AS present,
       coalesce((SELECT usable AND coalesce(held.writable, creatable) FROM kept),
         has_database_privilege(current_database(), 'CREATE')) AS recordable
FROM held;
