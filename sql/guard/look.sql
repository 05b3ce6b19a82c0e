-- The state of the guard, and whether it could be created. Reads only the catalogs.
-- Parameters: relation (oid, or a name as regclass reads it), job (the column's name), guard (the function's name), body (the
-- wanted body of the function), check (the constraint's name).
-- Returns one row: trigger (it is on the table, and calls a function in the schema llamactl), enabled, trust_root_flag (its argument),
--   function (the name of the function that it calls, else of the table's own, if it exists), up_to_date (its body is the wanted one),
--   current (the trigger calls the function of that name), index (the widest usable btree index whose first column is the job),
--   index_ours (it is the guard's), checked (the CHECK rejects self-parents), schema_present, schema_empty (and the role may drop it),
--   may_create (the role may create a function in the schema, or the schema), foreign_owner (of the function, if the role lacks the
--   owner's privileges; else NULL).
-- Default relation: '"public"."LlamaLog"'
-- Default job: 'job_id'
-- Default guard: 'LlamaLog_guard'
-- Default body: ''
-- Default check: 'LlamaLog_job_id_not_parent_check'
WITH kept AS (
  SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'llamactl'
), standing AS (
  SELECT t.tgenabled IN ('O', 'A') AS enabled, convert_from(trim(trailing '\x00'::bytea FROM t.tgargs), 'UTF8') AS argument,
    p.proname::text AS function
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
  JOIN kept ON kept.oid = p.pronamespace
  WHERE t.tgrelid = :'relation'::regclass AND t.tgname = 'zz_llamactl_guard'
), made AS (
  SELECT p.proname::text AS name, p.proowner, p.prosrc = :'body'::text AS up_to_date
  FROM pg_catalog.pg_proc AS p
  JOIN kept ON kept.oid = p.pronamespace
  WHERE p.prorettype = 'trigger'::regtype AND p.proname::text = coalesce((SELECT function FROM standing), :'guard'::text)
), indexed AS (
  SELECT c.relname::text AS name, obj_description(c.oid, 'pg_class') LIKE ANY (ARRAY['%[llamactl:job-index]', 'Made by llamactl, for its guard.']) AS ours
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = :'relation'::regclass AND a.attname::text = :'job'::text AND am.amname = 'btree'
    AND i.indisvalid AND i.indisready AND i.indislive
    AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))
  ORDER BY i.indnkeyatts DESC, c.relname
  LIMIT 1
)
SELECT
  EXISTS (SELECT FROM standing) AS trigger,
  coalesce((SELECT enabled FROM standing), false) AS enabled,
  (SELECT argument = 'true' FROM standing) AS trust_root_flag,
  (SELECT name FROM made) AS function,
  coalesce((SELECT up_to_date FROM made), false) AS up_to_date,
  coalesce((SELECT function = :'guard'::text FROM standing), false) AS current,
  (SELECT name FROM indexed) AS index,
  coalesce((SELECT ours FROM indexed), false) AS index_ours,
  EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = :'relation'::regclass AND k.contype = 'c' AND k.conname::text = :'check'::text) AS checked,
  EXISTS (SELECT FROM kept) AS schema_present,
  EXISTS (
    SELECT FROM kept
    WHERE pg_has_role(kept.nspowner, 'USAGE') AND obj_description(kept.oid, 'pg_namespace') LIKE ANY (ARRAY['%[llamactl:schema]', 'Kept by llamactl%'])
      AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = kept.oid AND d.deptype = 'n')) AS schema_empty,
  coalesce((SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE') FROM kept),
    has_database_privilege(current_database(), 'CREATE')) AS may_create,
  (SELECT pg_get_userbyid(proowner)::text FROM made WHERE NOT pg_has_role(proowner, 'USAGE')) AS foreign_owner;
