-- The saved state that exists in the schema llamactl, for all tables. Reads only the catalogs.
-- Parameter: function (the name of this table's guard function).
-- Returns one row: schema_ours (the schema exists, and migrate/create_schema.sql created it), parents, runs (their tables exist), tables
-- (their oids), readable (the role may read them), others (other objects in the schema), unowned (what the role could not drop: it lacks
-- the owner's privileges), owners (of these). Lock: none.
-- Default function: 'LlamaLog_guard'
WITH kept AS (
  SELECT oid, nspowner, obj_description(oid, 'pg_namespace') LIKE ANY (ARRAY['%[llamactl:schema]', 'Kept by llamactl%']) AS ours
  FROM pg_catalog.pg_namespace
  WHERE nspname = 'llamactl'
), held AS (
  SELECT c.oid, c.relname::text AS name, c.relowner
  FROM kept JOIN pg_catalog.pg_class AS c ON c.relnamespace = kept.oid
  WHERE c.relkind = 'r' AND c.relname IN ('cleared_parent', 'run', 'step')
), functions AS (
  SELECT p.oid, p.proname::text AS name, p.proowner
  FROM kept JOIN pg_catalog.pg_proc AS p ON p.pronamespace = kept.oid
  WHERE p.proname::text = :'function' AND p.prorettype = 'trigger'::regtype
), unowned AS (
  SELECT 1 AS place, 'schema llamactl' AS name, nspowner AS owner FROM kept WHERE NOT pg_has_role(nspowner, 'USAGE')
  UNION ALL
  SELECT 2, 'llamactl.' || name, relowner FROM held WHERE NOT pg_has_role(relowner, 'USAGE')
  UNION ALL
  SELECT 3, 'llamactl.' || quote_ident(name), proowner FROM functions WHERE NOT pg_has_role(proowner, 'USAGE')
)
SELECT
  coalesce((SELECT ours FROM kept), false) AS schema_ours,
  EXISTS (SELECT FROM held WHERE name = 'cleared_parent') AS parents,
  EXISTS (SELECT FROM held WHERE name = 'run') AS runs,
  ARRAY(SELECT oid::bigint FROM held ORDER BY oid) AS tables,
  coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM kept), true)
    AND coalesce((SELECT bool_and(has_table_privilege(oid, 'SELECT')) FROM held), true) AS readable,
  ARRAY(
    SELECT pg_describe_object(d.classid, d.objid, 0)
    FROM kept
    JOIN pg_catalog.pg_depend AS d
      ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = kept.oid AND d.deptype = 'n'
    WHERE d.objid NOT IN (SELECT oid FROM held UNION ALL SELECT oid FROM functions)
      AND NOT EXISTS (  -- the sequence of an identity column
        SELECT FROM pg_catalog.pg_depend AS part JOIN held ON held.oid = part.refobjid
        WHERE part.classid = d.classid AND part.objid = d.objid AND part.deptype = 'i')
    ORDER BY 1
  ) AS others,
  ARRAY(SELECT name FROM unowned ORDER BY place, name) AS unowned,
  ARRAY(SELECT DISTINCT pg_get_userbyid(owner)::text FROM unowned ORDER BY 1) AS owners;
