-- Whose llamactl.cleared_parent is, where 0.1 made it and the role has not its owner's rights, which bringing it up to date takes.
-- Reads catalogs only, which any role may.
-- Returns: owner; no row where the role may, or need not, bring it up to date. Lock: none.
SELECT pg_get_userbyid(c.relowner)::text AS owner
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'llamactl' AND c.relname = 'cleared_parent'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'job_id')
  AND NOT pg_has_role(c.relowner, 'USAGE');
