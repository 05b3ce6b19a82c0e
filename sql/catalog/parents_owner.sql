-- The owner of llamactl.cleared_parent, if 0.1 created it and the role lacks the owner's privileges, which upgrading it needs.
-- Reads only the catalogs, which any role may.
-- Returns: owner; no row if the role may upgrade it, or it needs no upgrade. Lock: none.
SELECT pg_get_userbyid(c.relowner)::text AS owner
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'llamactl' AND c.relname = 'cleared_parent'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'job_id')
  AND NOT pg_has_role(c.relowner, 'USAGE');
