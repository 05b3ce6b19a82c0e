-- The state of the tables that record runs. Reads only the catalogs, which any role may.
-- Returns one row: schema_present, present (the tables), outdated (created by 0.1: run migrate/upgrade_state.sql first), owner (of outdated
-- tables, if the role lacks the owner's privileges), readable (the role may read the records), recordable (the role may record a run:
-- in the tables, or by creating them).
-- Lock: none.
WITH kept AS (
  SELECT n.oid, has_schema_privilege(n.oid, 'USAGE') AS usable, has_schema_privilege(n.oid, 'CREATE') AS creatable
  FROM pg_catalog.pg_namespace AS n
  WHERE n.nspname = 'llamactl'
), held AS (
  SELECT c.oid, c.relowner,
         c.relname = 'run' AND (
           NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'table_oid')
           OR EXISTS (
             SELECT FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attname IN ('client', 'relfilenode', 'page', 'seen_at')
               AND NOT a.attisdropped)) AS outdated
  FROM kept
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = kept.oid
  WHERE c.relkind = 'r' AND c.relname IN ('run', 'step')
), tables AS (
  SELECT bool_or(outdated) AS outdated,
         min(pg_get_userbyid(relowner)::text) FILTER (WHERE outdated AND NOT pg_has_role(relowner, 'USAGE')) AS owner,
         bool_and(has_table_privilege(oid, 'SELECT')) AS readable,
         bool_and(has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')
                  AND (NOT outdated OR pg_has_role(relowner, 'USAGE'))) AS writable
  FROM held
)
SELECT EXISTS (SELECT FROM kept) AS schema_present,
       tables.writable IS NOT NULL AS present,
       coalesce(tables.outdated, false) AS outdated,
       tables.owner,
       coalesce((SELECT usable FROM kept) AND tables.readable, false) AS readable,
       coalesce((SELECT usable AND coalesce(tables.writable, creatable) FROM kept),
         has_database_privilege(current_database(), 'CREATE')) AS recordable
FROM tables;
