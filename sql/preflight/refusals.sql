-- The constraints of the table that rows may violate once they are migrated, each with a query that counts the rows that do.
-- Reads only the catalogs. For the transaction in which lineage is resolved, since the queries read it.
-- Parameters: relation (oid, or a name as regclass reads it), key, job, parent, flag (its columns; flag is empty if there is none), root
--   (its root column; empty: none), stored_type (the root column's base type), clearing (true: parents ignored because of the root flag
--   become NULL), overwrite (true: roots that differ from the computed ones are overwritten), users_code (false: leave out what runs the
--   owner's functions).
-- Returns one row per constraint: kind (check, domain of the root, domain of the parent, unique, foreign key, trigger), name, definition (its
--   first 300 characters), query (one row: rows). The query of a domain fails if the domain rejects a value, and returns 0 otherwise.
-- Of the triggers, only those that begin with RAISE, or with IF ... THEN RAISE, are listed: others cannot be judged without firing them.
-- The queries qualify the names that they use, as the server writes them with the pinned search path, and must run with that path.
-- Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default key: id
-- Default job: job_id
-- Default parent: parent_job_id
-- Default flag: is_root_job
-- Default root: ''
-- Default stored_type: text
-- Default clearing: true
-- Default overwrite: false
-- Default users_code: true
WITH log AS (
  SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS shown
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.oid = :'relation'::regclass
), held AS (
  SELECT a.attnum, a.attname::text AS name, a.atttypid, a.attgenerated <> '' AS computed,
         CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS expression
  FROM pg_catalog.pg_attribute AS a
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = :'relation'::regclass AND a.attnum > 0 AND NOT a.attisdropped
), changed AS (
  SELECT array_agg(held.attnum) AS columns
  FROM held
  WHERE held.computed OR held.name = :'root'::text OR :'clearing'::boolean AND held.name = :'parent'::text
), words AS (
  SELECT
    format('pg_temp.present(log.%I::text COLLATE "C")', :'job'::text) AS job,
    format('pg_temp.present(log.%I::text COLLATE "C")', :'parent'::text) AS parent,
    CASE WHEN :'flag'::text = '' THEN 'true'
      ELSE format('NOT ((SELECT setting.trust_root_flag FROM pg_temp.setting) AND log.%I IS TRUE'
                  ' AND pg_temp.present(log.%I::text COLLATE "C") IS NOT NULL)', :'flag'::text, :'job'::text) END AS chained,
    'known.root' AS root,
    CASE WHEN :'flag'::text = '' OR NOT :'clearing'::boolean THEN 'false'
      ELSE format('((SELECT setting.trust_root_flag FROM pg_temp.setting) AND log.%I IS TRUE'
                  ' AND pg_temp.present(log.%I::text COLLATE "C") IS NOT NULL'
                  ' AND pg_temp.present(log.%I::text COLLATE "C") IS NOT NULL)', :'flag'::text, :'job'::text, :'parent'::text) END AS cleared
), written AS (
  SELECT words.*,
    CASE WHEN :'root'::text = '' THEN format('(%s) IS NOT NULL', words.root)
      WHEN :'overwrite'::boolean THEN format('log.%I::text IS DISTINCT FROM (%s)', :'root'::text, words.root)
      ELSE format('(log.%I IS NULL AND (%s) IS NOT NULL)', :'root'::text, words.root) END AS filled
  FROM words
), raising AS (
  SELECT t.oid, t.tgname::text AS name, t.tgtype::integer & 1 <> 0 AS each_row, t.tgattr, words.condition,
    substring(pg_get_triggerdef(t.oid) FROM '^CREATE.* WHEN \((.*)\) EXECUTE (?:FUNCTION|PROCEDURE) ') AS qualification
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
  CROSS JOIN LATERAL (SELECT regexp_replace(regexp_replace(p.prosrc, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g') AS body) AS plain
  CROSS JOIN LATERAL (
    -- The level EXCEPTION is the one that RAISE has where none is given.
    SELECT CASE WHEN plain.body ~* '^\s*?(?:declare\M.*?)??\mbegin\s+raise\M(?!\s+(?:debug|log|info|notice|warning)\M)' THEN 'true'
      ELSE regexp_replace((regexp_match(plain.body,
        '^\s*?(?:declare\M.*?)??\mbegin\s+if\M([^;]*?)\mthen\s+raise\M(?!\s+(?:debug|log|info|notice|warning)\M)', 'i'))[1],
        '\mTG_OP\M', $$'UPDATE'$$, 'gi') END AS condition
  ) AS words
  WHERE t.tgrelid = :'relation'::regclass AND NOT t.tgisinternal AND t.tgtype::integer & 16 <> 0
    AND t.tgenabled IN ('A', CASE WHEN current_setting('session_replication_role') = 'replica' THEN 'R' ELSE 'O' END)
    AND words.condition IS NOT NULL AND plain.body !~* '\mexception\s+when\M'
    AND :'users_code'::boolean
), used AS (
  -- Only the columns that a query can name, so that the queries stay small: of a trigger's condition that may be any.
  SELECT held.attnum
  FROM held
  WHERE held.name IN (:'key'::text, :'job'::text, :'parent'::text, :'flag'::text, :'root'::text)
    OR EXISTS (SELECT FROM raising)
    OR EXISTS (
      SELECT FROM pg_catalog.pg_constraint AS k
      WHERE k.conrelid = :'relation'::regclass AND (held.attnum = ANY (k.conkey) OR 0 = ANY (k.conkey)))
    OR EXISTS (
      SELECT FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
      WHERE i.indrelid = :'relation'::regclass AND (i.indisunique OR i.indisexclusion)
        AND (held.attnum = ANY (i.indkey::int2[])
          OR d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = held.attnum))
), needed AS (
  SELECT used.attnum FROM used
  UNION
  -- What generated columns among them are generated from.
  SELECT d.refobjsubid
  FROM used
  JOIN pg_catalog.pg_attrdef AS g ON g.adrelid = :'relation'::regclass AND g.adnum = used.attnum
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = :'relation'::regclass AND d.refobjsubid > 0
), rows AS (
  -- The rows as they will be: first what is stored, then what is generated from it.
  SELECT written.filled || ' OR ' || written.cleared AS touched, written.filled, written.cleared,
    -- As in lineage/rooted.sql.
    format('SELECT %s FROM %s AS log CROSS JOIN LATERAL (SELECT %s AS job, CASE WHEN %s THEN %s END AS parent OFFSET 0) AS entry'
           ' LEFT JOIN pg_temp.cut AS llamactl_cut ON llamactl_cut.job = entry.job'
           ' LEFT JOIN pg_temp.lineage AS above ON above.job = entry.parent'
           ' CROSS JOIN LATERAL (SELECT CASE WHEN llamactl_cut.job IS NOT NULL THEN llamactl_cut.root WHEN entry.parent IS NULL THEN entry.job'
           ' ELSE above.root END AS root) AS known',
      (SELECT string_agg(CASE
           WHEN held.name = :'root'::text
             THEN format('CASE WHEN %s THEN CAST(%s AS %s) ELSE CAST(log.%I AS %3$s) END AS %4$I', written.filled, written.root,
                         :'stored_type'::text, held.name)
           WHEN held.name = :'parent'::text THEN format('CASE WHEN %s THEN NULL ELSE log.%I END AS %2$I', written.cleared, held.name)
           ELSE format('log.%I', held.name) END, ', ' ORDER BY held.attnum)
       FROM held JOIN needed USING (attnum) WHERE NOT held.computed),
      log.shown, written.job, written.chained, written.parent) AS stored,
    (SELECT string_agg(CASE WHEN held.computed THEN format('(%s) AS %I', held.expression, held.name) ELSE format('%I', held.name) END,
                       ', ' ORDER BY held.attnum)
     FROM held JOIN used USING (attnum)) AS everything
  FROM log
  CROSS JOIN written
), refusing AS (
  SELECT raising.oid, raising.name, raising.each_row, raising.condition, raising.qualification,
    CASE WHEN raising.tgattr::text = '' THEN rows.touched
      ELSE concat_ws(' OR ', CASE WHEN root.attnum = ANY (raising.tgattr::int2[]) THEN rows.filled ELSE 'false' END,
                     CASE WHEN parent.attnum = ANY (raising.tgattr::int2[]) THEN rows.cleared END) END AS touched
  FROM raising
  CROSS JOIN rows
  LEFT JOIN held AS root ON root.name = :'root'::text
  JOIN held AS parent ON parent.name = :'parent'::text
), projected AS (
  SELECT format('(SELECT %s FROM (%s) AS %I) AS %3$I', rows.everything, rows.stored, log.relname) AS every_row,
         format('(SELECT %s FROM (%s WHERE %s) AS %I) AS %4$I', rows.everything, rows.stored, rows.touched, log.relname) AS touched_rows
  FROM log
  CROSS JOIN rows
), keyed AS (
  SELECT i.indexrelid, c.relname::text AS name, i.indisexclusion, x.conexclop,
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_too,
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate,
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, number, false) FROM generate_series(1, i.indnkeyatts) AS number ORDER BY number) AS keys
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint AS x ON x.conindid = i.indexrelid AND x.contype IN ('p', 'u', 'x') AND x.conrelid = i.indrelid
  CROSS JOIN changed
  WHERE i.indrelid = :'relation'::regclass AND (i.indisunique OR i.indisexclusion) AND i.indislive
    AND (i.indkey::int2[] && changed.columns OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
    AND (:'users_code'::boolean OR i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisexclusion)
), referring AS (
  SELECT k.oid, k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition, k.confmatchtype = 'f' AS all_or_none,
    format('%I.%I', rn.nspname, r.relname) AS referenced,
    string_agg(format('%I IS NOT NULL', own.attname), ' AND ' ORDER BY part.number) AS whole,
    string_agg(format('%I IS NULL', own.attname), ' AND ' ORDER BY part.number) AS bare,
    string_agg(format('llamactl_referenced.%I OPERATOR(%I.%s) %I.%I', theirs.attname, o.nspname, op.oprname, log.relname, own.attname),
               ' AND ' ORDER BY part.number) AS matching
  FROM pg_catalog.pg_constraint AS k
  CROSS JOIN log
  CROSS JOIN changed
  JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
  CROSS JOIN LATERAL unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS part (own, theirs, operator, number)
  JOIN pg_catalog.pg_attribute AS own ON own.attrelid = k.conrelid AND own.attnum = part.own
  JOIN pg_catalog.pg_attribute AS theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = part.theirs
  JOIN pg_catalog.pg_operator AS op ON op.oid = part.operator
  JOIN pg_catalog.pg_namespace AS o ON o.oid = op.oprnamespace
  WHERE k.conrelid = log.oid AND k.contype = 'f' AND k.conkey && changed.columns
    AND EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS t
      WHERE t.tgconstraint = k.oid AND t.tgrelid = k.conrelid
        AND t.tgenabled IN ('A', CASE WHEN current_setting('session_replication_role') = 'replica' THEN 'R' ELSE 'O' END))
  GROUP BY k.oid, k.conname, k.confmatchtype, rn.nspname, r.relname
)
SELECT 'check' AS kind, k.conname::text AS name, left(pg_get_constraintdef(k.oid), 300) AS definition,
       format('SELECT count(*) AS rows FROM %s WHERE NOT (%s)', projected.touched_rows, pg_get_expr(k.conbin, k.conrelid)) AS query
FROM log
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = log.oid
CROSS JOIN projected
CROSS JOIN changed
WHERE k.contype = 'c' AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false' AND :'users_code'::boolean
  AND (NOT k.convalidated OR k.conkey IS NULL OR k.conkey && changed.columns)
UNION ALL
SELECT 'domain of the root', format_type(held.atttypid, NULL), '',
       format('SELECT 0 * count(CAST(%s.%I AS %s)) AS rows FROM (%s WHERE %s) AS %1$s', 'stored_row', held.name,
              format_type(held.atttypid, NULL), rows.stored, rows.filled)
FROM held
JOIN pg_catalog.pg_type AS t ON t.oid = held.atttypid AND t.typtype = 'd'
CROSS JOIN rows
WHERE held.name = :'root'::text AND :'users_code'::boolean
UNION ALL
SELECT 'domain of the parent', format_type(held.atttypid, NULL), '',
       format('SELECT 0::bigint AS rows WHERE CAST(NULL AS %s) IS NULL', format_type(held.atttypid, NULL))
FROM held
JOIN pg_catalog.pg_type AS t ON t.oid = held.atttypid AND t.typtype = 'd'
WHERE held.name = :'parent'::text AND :'clearing'::boolean AND :'users_code'::boolean
UNION ALL
SELECT 'unique', keyed.name, left(pg_get_indexdef(keyed.indexrelid), 300),
       format('SELECT coalesce(sum(alike.number), 0)::bigint AS rows FROM ('
              'SELECT count(*) AS number FROM %s WHERE (%s)%s GROUP BY %s HAVING count(*) > 1) AS alike',
              projected.every_row, keyed.predicate,
              CASE WHEN keyed.nulls_too THEN ''
                ELSE (SELECT string_agg(format(' AND (%s) IS NOT NULL', part), '') FROM unnest(keyed.keys) AS part) END,
              (SELECT string_agg(format('(%s)', part), ', ') FROM unnest(keyed.keys) AS part))
FROM keyed
CROSS JOIN projected
WHERE NOT keyed.indisexclusion
UNION ALL
SELECT 'unique', keyed.name, left(pg_get_indexdef(keyed.indexrelid), 300),
       format('WITH new_row AS (SELECT %I::text AS row_id, %s FROM %s WHERE %s)'
              ' SELECT count(*) AS rows FROM new_row AS one WHERE EXISTS (SELECT FROM new_row AS other WHERE one.row_id <> other.row_id%s)',
              :'key'::text,
              (SELECT string_agg(format('(%s) AS key_%s', part.text, part.number), ', ')
               FROM unnest(keyed.keys) WITH ORDINALITY AS part (text, number)),
              projected.every_row, keyed.predicate,
              (SELECT string_agg(format(' AND one.key_%s OPERATOR(%I.%s) other.key_%1$s', part.number, n.nspname, o.oprname), '')
               FROM unnest(keyed.conexclop) WITH ORDINALITY AS part (operator, number)
               JOIN pg_catalog.pg_operator AS o ON o.oid = part.operator
               JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace))
FROM keyed
CROSS JOIN projected
WHERE keyed.indisexclusion AND keyed.conexclop IS NOT NULL
UNION ALL
SELECT 'foreign key', referring.name, left(referring.definition, 300),
       format('SELECT count(*) AS rows FROM %s WHERE %s(%s) AND NOT EXISTS (SELECT FROM %s AS llamactl_referenced WHERE %s)',
              projected.touched_rows,
              CASE WHEN referring.all_or_none THEN format('NOT (%s) AND NOT (%s) OR ', referring.whole, referring.bare) ELSE '' END,
              referring.whole, referring.referenced, referring.matching)
FROM referring
CROSS JOIN projected
UNION ALL
SELECT 'trigger', refusing.name, left(pg_get_triggerdef(refusing.oid), 300),
       format('SELECT count(*) AS rows FROM (SELECT %s FROM (%s WHERE %s) AS %I) AS new JOIN %s AS old ON old.%I::text = new.%6$I::text'
              ' WHERE (%s)', rows.everything, rows.stored, refusing.touched, log.relname, log.shown, :'key'::text,
              CASE WHEN refusing.each_row THEN concat_ws(') AND (', refusing.condition, refusing.qualification)
                ELSE refusing.condition END)
FROM refusing
CROSS JOIN rows
CROSS JOIN log
ORDER BY 1, 2;
