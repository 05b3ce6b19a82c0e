-- The indexes that may be dropped and built again. All others are kept: those that have more than a definition (a constraint, a role in
-- CLUSTER or replication, something that depends on them), those that another session has locked without the table, and those that the
-- role might be unable to build under the pinned search path; a role that cannot act as the owner sees what the owner could do.
-- All are kept where the user's code runs for each row, which may need them, or where an event trigger fires for DDL.
-- Parameters: relation (the table's oid, or its name as regclass reads it), root_column, index (one that has a step of its own, or empty).
-- Returns in the order of their creation: name (quoted, with its schema), dropping (the statement that drops it), building (the
-- statements that build it again, with its tablespace, comment and statistics targets), expressions (whether it has any). Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default root_column: root_job_id
-- Default index: ''
WITH log AS (
  SELECT c.oid, c.relowner, runs.role,
         (SELECT a.attnum FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attname = :'root_column' AND NOT a.attisdropped) AS root
  FROM pg_catalog.pg_class AS c
  CROSS JOIN LATERAL (
    SELECT CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN quote_ident(current_user)::regrole::oid ELSE c.relowner END AS role
  ) AS runs
  WHERE c.oid = :'relation'::regclass AND has_schema_privilege(runs.role, c.relnamespace, 'CREATE')
    AND NOT EXISTS (
      SELECT
      FROM pg_catalog.pg_event_trigger AS e
      WHERE e.evtenabled NOT IN ('D', 'R') AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
        AND (e.evttags IS NULL OR e.evttags && ARRAY['CREATE INDEX', 'DROP INDEX', 'ALTER INDEX', 'COMMENT']))
), per_row AS (
  -- What runs the user's code for each row that is updated: triggers but the guard, rules, CHECKs, generated columns.
  SELECT
  FROM log JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = log.oid
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND t.tgenabled NOT IN ('D', 'R') AND t.tgtype & 16 <> 0
    AND (cardinality(t.tgattr::int2[]) = 0 OR log.root = ANY (t.tgattr))
    AND NOT (t.tgname = 'zz_llamactl_guard' AND p.pronamespace::regnamespace::text = 'llamactl')
  UNION ALL
  SELECT FROM log JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = log.oid WHERE r.ev_type = '2' AND r.ev_enabled NOT IN ('D', 'R')
  UNION ALL
  SELECT
  FROM log
  JOIN pg_catalog.pg_depend AS own ON own.refclassid = 'pg_class'::regclass AND own.refobjid = log.oid
    AND own.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass)
  JOIN pg_catalog.pg_depend AS d ON d.classid = own.classid AND d.objid = own.objid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid AND p.pronamespace <> 'pg_catalog'::regnamespace
  LEFT JOIN pg_catalog.pg_attrdef AS def ON own.classid = 'pg_attrdef'::regclass AND def.oid = own.objid
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = def.adrelid AND a.attnum = def.adnum
  WHERE a.attgenerated IS DISTINCT FROM ''
), plain AS (
  SELECT i.*, log.relowner AS owner, log.role, c.relname, c.reltablespace
  FROM log
  JOIN pg_catalog.pg_index AS i ON i.indrelid = log.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  WHERE c.relkind = 'i' AND c.relname::text <> :'index'::text AND NOT EXISTS (SELECT FROM per_row)
    AND i.indisvalid AND i.indisready AND i.indislive
    AND NOT (i.indisunique OR i.indisexclusion OR i.indisclustered OR i.indisreplident OR c.relispartition)
    AND c.relam < 16384  -- the access method is the server's
    AND (c.reltablespace = 0 OR has_tablespace_privilege(log.role, c.reltablespace, 'CREATE'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = c.oid)
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.pid IS DISTINCT FROM pg_backend_pid()
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))  -- of queries, and gone once the table is locked
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE c.oid IN (h.inhrelid, h.inhparent))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'x'))
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid = c.oid AND a.attstattarget >= 0 AND i.indkey[a.attnum - 1] <> 0)  -- cannot be set again
), used AS (
  -- What the definitions refer to; objects of the server are not recorded.
  SELECT plain.indexrelid, plain.owner, plain.role, d.refclassid, d.refobjid,
         d.refclassid = 'pg_class'::regclass AND d.refobjid = plain.indrelid AS own
  FROM plain
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = plain.indexrelid
), called AS (
  SELECT used.indexrelid, used.owner, used.refobjid AS proc, false AS of_class FROM used WHERE used.refclassid = 'pg_proc'::regclass
  UNION
  SELECT used.indexrelid, used.owner, o.oprcode::oid, false
  FROM used JOIN pg_catalog.pg_operator AS o ON used.refclassid = 'pg_operator'::regclass AND o.oid = used.refobjid
  UNION
  SELECT used.indexrelid, used.owner, f.amproc::oid, true
  FROM used
  JOIN pg_catalog.pg_opclass AS oc ON used.refclassid = 'pg_opclass'::regclass AND oc.oid = used.refobjid
  JOIN pg_catalog.pg_amproc AS f ON f.amprocfamily = oc.opcfamily
), named AS (
  SELECT used.indexrelid, used.role,
         coalesce(p.pronamespace, o.oprnamespace, oc.opcnamespace, co.collnamespace, ty.typnamespace) AS namespace, ty.typtype, used.own
  FROM used
  LEFT JOIN pg_catalog.pg_proc AS p ON used.refclassid = 'pg_proc'::regclass AND p.oid = used.refobjid
  LEFT JOIN pg_catalog.pg_operator AS o ON used.refclassid = 'pg_operator'::regclass AND o.oid = used.refobjid
  LEFT JOIN pg_catalog.pg_opclass AS oc ON used.refclassid = 'pg_opclass'::regclass AND oc.oid = used.refobjid
  LEFT JOIN pg_catalog.pg_collation AS co ON used.refclassid = 'pg_collation'::regclass AND co.oid = used.refobjid
  LEFT JOIN pg_catalog.pg_type AS ty ON used.refclassid = 'pg_type'::regclass AND ty.oid = used.refobjid
  WHERE used.refobjid >= 16384
), unsure AS (
  SELECT called.indexrelid
  FROM called
  JOIN pg_catalog.pg_proc AS p ON p.oid = called.proc AND p.pronamespace <> 'pg_catalog'::regnamespace
  JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
  WHERE p.provolatile <> 'i' AND NOT called.of_class
    OR NOT has_function_privilege(called.owner, p.oid, 'EXECUTE')
    OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS made (setting) WHERE made.setting LIKE 'search_path=%')
      AND NOT (called.of_class AND l.lanname IN ('internal', 'c'))
  UNION
  -- Nothing but columns of the table, functions, operators, operator classes, collations and types, in schemas that the role may use.
  SELECT named.indexrelid
  FROM named
  WHERE NOT named.own AND (named.namespace IS NULL OR NOT has_schema_privilege(named.role, named.namespace, 'USAGE') OR named.typtype = 'd')
)
SELECT plain.indexrelid::regclass::text AS name,
       format('DROP INDEX %s', plain.indexrelid::regclass) AS dropping,
       array_remove(ARRAY[
         CASE WHEN placed.elsewhere THEN format('SET LOCAL default_tablespace = %L', placed.tablespace) END,
         pg_get_indexdef(plain.indexrelid),
         CASE WHEN placed.elsewhere THEN 'SET LOCAL default_tablespace TO DEFAULT' END
       ], NULL)
       || ARRAY(
         SELECT format('COMMENT ON INDEX %s IS %L', plain.indexrelid::regclass, described.comment)
         FROM obj_description(plain.indexrelid, 'pg_class') AS described (comment)
         WHERE described.comment IS NOT NULL
       ) || ARRAY(
         SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', plain.indexrelid::regclass, a.attnum, a.attstattarget)
         FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = plain.indexrelid AND a.attstattarget >= 0
         ORDER BY a.attnum
       ) AS building,
       plain.indexprs IS NOT NULL AS expressions
FROM plain
LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = plain.reltablespace
CROSS JOIN LATERAL (
  SELECT coalesce(s.spcname::text, '') AS tablespace, coalesce(s.spcname::text, '') <> current_setting('default_tablespace') AS elsewhere
) AS placed
WHERE NOT EXISTS (SELECT FROM unsure WHERE unsure.indexrelid = plain.indexrelid)
ORDER BY plain.indexrelid;
