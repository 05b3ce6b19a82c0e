-- What the role may do, and what the server is. Reads catalogs only; membership counts where it is inherited.
-- Parameters: relation (oid, or a name as regclass reads it), enum_schema and enum (the category's type; empty: none).
-- Returns one row: owner and enum_owner (the role has the owner's rights; enum_owner is NULL without the type),
--   could_own and could_own_enum (it may SET ROLE to the owner), temporary and create_schema (on the database),
--   create_index (CREATE on the table's schema, for whoever has the owner's rights), save_parents (it may write
--   llamactl.cleared_parent; NULL where there is no such schema yet), sees_others, standby.
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
\if :{?enum_schema}
\else
\set enum_schema 'public'
\endif
\if :{?enum}
\else
\set enum 'LlamaLogCategory'
\endif
WITH category AS (
  SELECT t.typowner AS owner
  FROM pg_catalog.pg_type AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
  WHERE n.nspname::text = :'enum_schema'::text AND t.typname::text = :'enum'::text
), saved AS (
  SELECT n.oid AS schema_id, c.oid AS table_id
  FROM pg_catalog.pg_namespace AS n
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'cleared_parent'
  WHERE n.nspname = 'llamactl'
)
SELECT
  pg_has_role(c.relowner, 'USAGE') AS owner,
  pg_has_role(c.relowner, 'MEMBER') AS could_own,
  (SELECT pg_has_role(category.owner, 'USAGE') FROM category) AS enum_owner,
  (SELECT pg_has_role(category.owner, 'MEMBER') FROM category) AS could_own_enum,
  has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
  has_schema_privilege(c.relnamespace, 'CREATE')
    OR NOT pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relowner, c.relnamespace, 'CREATE')
    AS create_index,
  has_database_privilege(current_database(), 'CREATE') AS create_schema,
  (SELECT has_schema_privilege(saved.schema_id, 'USAGE')
     AND has_schema_privilege(saved.schema_id, 'CREATE')  -- asked for by IF NOT EXISTS too
     AND (saved.table_id IS NULL
       OR has_table_privilege(saved.table_id, 'SELECT') AND has_table_privilege(saved.table_id, 'INSERT')
         AND has_table_privilege(saved.table_id, 'UPDATE'))
   FROM saved) AS save_parents,
  pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
  pg_is_in_recovery() AS standby
FROM pg_catalog.pg_class AS c
WHERE c.oid = :'relation'::regclass;
