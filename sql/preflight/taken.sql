-- Objects that have a name that llamactl uses, but are not llamactl's. Reads only the catalogs, which any role may.
-- Parameters: relation (oid, or a name as regclass reads it), guard (the name of the guard's function).
-- Returns: what (a description), parents (true: it has the name of the table that parents are saved in). Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default guard: 'LlamaLog_guard'
WITH kept AS (
  SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'llamactl'
)
SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) AS what, c.relname = 'cleared_parent' AS parents
FROM kept
JOIN pg_catalog.pg_class AS c ON c.relnamespace = kept.oid
WHERE c.relname IN ('run', 'step', 'cleared_parent')
  AND (c.relkind <> 'r' OR NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND NOT a.attisdropped
      AND a.attname = CASE c.relname WHEN 'run' THEN 'began_at' WHEN 'step' THEN 'run_id' ELSE 'parent_job_id' END))
UNION ALL
SELECT pg_describe_object('pg_type'::regclass, t.oid, 0), t.typname = 'cleared_parent'
FROM kept
JOIN pg_catalog.pg_type AS t ON t.typnamespace = kept.oid AND t.typrelid = 0
WHERE t.typname IN ('run', 'step', 'cleared_parent')
UNION ALL
SELECT pg_describe_object('pg_proc'::regclass, p.oid, 0), false
FROM kept
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = kept.oid
WHERE p.proname::text = :'guard'::text AND p.pronargs = 0 AND (p.prokind <> 'f' OR p.prorettype <> 'trigger'::regtype)
UNION ALL
SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), false
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgrelid = :'relation'::regclass AND t.tgname = 'zz_llamactl_guard'
  AND (t.tgconstraint <> 0 OR p.pronamespace IS DISTINCT FROM (SELECT kept.oid FROM kept))
ORDER BY 1;
