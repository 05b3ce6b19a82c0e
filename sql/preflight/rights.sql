-- The role's privileges, and the server's properties. Reads only the catalogs; a membership counts if it is inherited.
-- Parameters: relation (oid, or a name as regclass reads it), enum_schema and enum (the category's type; empty: none).
-- Returns one row: owner and enum_owner (the role has the owner's privileges; enum_owner is NULL without the type), could_own and
--   could_own_enum (the login role may SET ROLE to the owner), enum_usable (USAGE on the type's schema), update (of the table),
--   temporary (on the database), create_index (CREATE on the table's schema, for a role with the owner's privileges),
--   foreign_tablespace (default_tablespace, if the role may not create in it; else NULL), sees_others, inherits (memberships take
--   effect immediately), beyond_owner (a superuser other than the owner, whose code would run with its privileges), standby.
-- Default relation: '"public"."LlamaLog"'
-- Default enum_schema: 'public'
-- Default enum: 'LlamaLogCategory'
WITH category AS (
  SELECT t.typowner AS owner, n.oid AS schema_id
  FROM pg_catalog.pg_type AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
  WHERE n.nspname::text = :'enum_schema'::text AND t.typname::text = :'enum'::text
)
SELECT
  pg_has_role(c.relowner, 'USAGE') AS owner,
  pg_has_role(session_user, c.relowner, becoming.privilege) AS could_own,
  (SELECT pg_has_role(category.owner, 'USAGE') FROM category) AS enum_owner,
  (SELECT pg_has_role(session_user, category.owner, becoming.privilege) FROM category) AS could_own_enum,
  (SELECT has_schema_privilege(category.schema_id, 'USAGE') FROM category) AS enum_usable,
  has_table_privilege(c.oid, 'UPDATE') AS update,
  has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
  CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN has_schema_privilege(c.relnamespace, 'CREATE')
    ELSE has_schema_privilege(c.relowner, c.relnamespace, 'CREATE') END AS create_index,
  (SELECT s.spcname::text FROM pg_catalog.pg_tablespace AS s
   WHERE s.spcname = current_setting('default_tablespace') AND NOT has_tablespace_privilege(s.oid, 'CREATE')
     AND s.oid <> (SELECT d.dattablespace FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())) AS foreign_tablespace,
  pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
  (SELECT r.rolinherit FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) AS inherits,
  (SELECT own.rolsuper AND NOT other.rolsuper FROM pg_catalog.pg_roles AS own, pg_catalog.pg_roles AS other
   WHERE own.rolname = current_user AND other.oid = c.relowner) AS beyond_owner,
  pg_is_in_recovery() AS standby
FROM pg_catalog.pg_class AS c
CROSS JOIN (
  SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END AS privilege
) AS becoming
WHERE c.oid = :'relation'::regclass;
