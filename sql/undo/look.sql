-- The objects of llamactl on the table, identified by the comments that it gives to what it creates (migrate/add_column.sql,
-- mark_index.sql, add_check.sql, comment.sql, guard/mark_job_index.sql). What an interrupted run left before it could add the comment is
-- identified by its name: an INVALID index, which is unusable. Reads only the catalogs.
-- Parameters: relation (oid, or a name as regclass reads it), root_column, parent, index, job_index, guard (llamactl's names), leftovers
-- (an array of oids: the views of catalog/leftovers.sql, which are not blockers).
-- Returns one row: added_column (NULL: the column is the user's, or there is none), comment_only (the column is the user's, its
-- comment llamactl's), index, check_name, job_index (names), unmarked_index, unmarked_job_index (one with llamactl's name and definition,
-- but no comment), trigger, function (the guard's), function_elsewhere (another table's trigger calls it), blockers (what has to be
-- dropped before the column), along (what of the user's is dropped with it), firing (the user's triggers that restoring parents
-- fires). Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default root_column: root_job_id
-- Default parent: parent_job_id
-- Default index: 'LlamaLog_root_job_id_idx'
-- Default job_index: 'LlamaLog_job_id_parent_job_id_idx'
-- Default guard: 'LlamaLog_guard'
-- Default leftovers: '{}'
WITH RECURSIVE log AS (
  SELECT :'relation'::regclass::oid AS oid
), commented AS (
  SELECT a.attnum, a.attname::text AS name, col_description(a.attrelid, a.attnum) AS comment
  FROM log JOIN pg_catalog.pg_attribute AS a ON a.attrelid = log.oid AND a.attnum > 0 AND NOT a.attisdropped
), added AS (
  -- Whatever its name is now; if there are several, the requested one.
  SELECT attnum, name FROM commented
  WHERE comment LIKE '%[llamactl:column ____-__-__]'
    -- Version 0.1.
    OR comment LIKE 'The job at the top of this row''s chain of parents (added by llamactl on ____-__-__). %'
  ORDER BY name <> :'root_column'
  LIMIT 1
), root AS (
  SELECT attnum FROM added
  UNION ALL
  SELECT attnum FROM commented WHERE name = :'root_column' AND NOT EXISTS (SELECT FROM added)
), indexed AS (
  SELECT c.oid, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment,
    i.indisvalid AND i.indisready AND i.indislive AS usable,
    i.indkey::text = root.attnum::text AND i.indpred IS NULL AND NOT i.indisunique AS on_root,
    i.indnatts = 2 AND i.indpred IS NULL AND NOT i.indisunique AS on_two
  FROM log
  JOIN pg_catalog.pg_index AS i ON i.indrelid = log.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  LEFT JOIN root ON true
), own AS (
  SELECT
    (SELECT min(name) FROM indexed
     WHERE comment LIKE '%[llamactl:index]' OR comment = 'Made by llamactl.' OR name = :'index' AND on_root AND NOT usable) AS index,
    (SELECT min(name) FROM indexed
     WHERE comment LIKE '%[llamactl:job-index]' OR comment = 'Made by llamactl, for its guard.' OR name = :'job_index' AND on_two AND NOT usable) AS job_index,
    (SELECT min(k.conname::text) FROM log JOIN pg_catalog.pg_constraint AS k ON k.conrelid = log.oid
     WHERE k.contype = 'c'
       AND obj_description(k.oid, 'pg_constraint') LIKE ANY (ARRAY['%[llamactl:check]', 'Made by llamactl.'])) AS check_name
), guard AS (
  SELECT t.oid AS trigger_id, p.oid AS function_id, p.proname::text AS name
  FROM pg_catalog.pg_namespace AS n
  CROSS JOIN log
  JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.prorettype = 'trigger'::regtype
  LEFT JOIN pg_catalog.pg_trigger AS t
    ON t.tgrelid = log.oid AND t.tgfoid = p.oid AND t.tgname = 'zz_llamactl_guard'
  WHERE n.nspname = 'llamactl' AND (t.oid IS NOT NULL OR p.proname::text = :'guard')
  ORDER BY t.oid IS NULL
  LIMIT 1
), going AS (
  -- What is dropped with the column: its indexes, constraints, default, statistics, and what belongs to them.
  SELECT 'pg_class'::regclass::oid AS class, log.oid AS object, root.attnum::integer AS part, 0 AS level FROM log, root
  UNION
  SELECT d.classid, d.objid, d.objsubid, going.level + 1
  FROM going
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = going.class AND d.refobjid = going.object AND d.refobjsubid = going.part
  CROSS JOIN log
  WHERE d.deptype IN ('a', 'i', 'S')
    -- A generated column, as in Postgres 14: it would be dropped silently.
    AND NOT (d.classid = 'pg_class'::regclass AND d.objid = log.oid)
), stopping AS (
  SELECT DISTINCT CASE
      WHEN r.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
      WHEN def.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, def.adrelid, def.adnum)
      ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS what
  FROM going
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = going.class AND d.refobjid = going.object AND d.refobjsubid = going.part
  CROSS JOIN log
  LEFT JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_catalog.pg_attrdef AS def ON d.classid = 'pg_attrdef'::regclass AND def.oid = d.objid
  WHERE (d.deptype = 'n' OR d.classid = 'pg_class'::regclass AND d.objid = log.oid AND d.objsubid > 0)
    -- A CHECK depends on the column in both ways.
    AND (d.classid, d.objid, d.objsubid) NOT IN (SELECT class, object, part FROM going)
    AND d.objid NOT IN (SELECT trigger_id FROM guard WHERE trigger_id IS NOT NULL)
    AND (r.ev_class = ANY (:'leftovers'::oid[])) IS NOT TRUE
)
SELECT
  (SELECT name FROM added) AS added_column,
  EXISTS (
    SELECT FROM commented
    WHERE name = :'root_column' AND comment LIKE ANY (ARRAY['%[llamactl:comment ____-__-__]',
      'The job at the top of this row''s chain of parents (llamactl, since ____-__-__). NULL: origin unknown; the chain is '
      'untracked, cyclic or ambiguous, or the row was written without a root.'])) AS comment_only,
  own.index, own.check_name, own.job_index,
  EXISTS (SELECT FROM indexed WHERE name = :'index' AND on_root AND usable AND comment IS NULL) AS unmarked_index,
  EXISTS (SELECT FROM indexed WHERE name = :'job_index' AND on_two AND usable AND comment IS NULL) AS unmarked_job_index,
  EXISTS (SELECT FROM guard WHERE trigger_id IS NOT NULL) AS trigger,
  (SELECT name FROM guard) AS function,
  EXISTS (SELECT FROM guard JOIN pg_catalog.pg_trigger AS t ON t.tgfoid = guard.function_id CROSS JOIN log
          WHERE t.tgrelid <> log.oid) AS function_elsewhere,
  ARRAY(SELECT what FROM stopping ORDER BY what) AS blockers,
  ARRAY(SELECT pg_describe_object(going.class, going.object, going.part)
        FROM going
        WHERE going.level = 1 AND going.object NOT IN (SELECT oid FROM indexed WHERE name IN (own.index, :'index'))
        ORDER BY 1) AS along,
  ARRAY(SELECT t.tgname::text
        FROM log JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = log.oid
        LEFT JOIN commented ON commented.name = :'parent'
        WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype::integer & 16 <> 0
          AND (t.tgattr::text = '' OR commented.attnum = ANY (t.tgattr::int2[]))
          AND t.oid NOT IN (SELECT trigger_id FROM guard WHERE trigger_id IS NOT NULL)
        ORDER BY 1) AS firing
FROM own;
