-- The properties of a relation in the catalogs.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns one row, or none if the relation no longer exists. inheritance is partition, parent, child or empty; hidden: row security
--   hides rows from the role. The size functions open the relation: ACCESS SHARE, for the duration of the call.
-- Default relation: '"public"."LlamaLog"'
SELECT
  c.oid::bigint AS oid,
  n.nspname::text AS schema_name,
  c.relname::text AS table_name,
  c.relkind::text AS kind,
  c.relpersistence::text AS persistence,
  pg_get_userbyid(c.relowner)::text AS owner,
  CASE WHEN c.relispartition THEN 'partition'
    WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid) THEN 'parent'
    WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid) THEN 'child'
    ELSE '' END AS inheritance,
  row_security_active(c.oid) AS hidden,
  c.reltuples::bigint AS rows_estimate,
  coalesce(pg_total_relation_size(c.oid), 0) AS bytes,
  coalesce(pg_indexes_size(c.oid), 0) AS index_bytes,
  coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast_bytes,
  current_setting('server_version') AS server_version,
  current_setting('server_version_num')::integer AS server_version_num
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = :'relation'::regclass;
