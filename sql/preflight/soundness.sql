-- When an UPDATE of the whole table, or a bulk rewrite of it, is unsound or unwise, as the catalogs tell; other
-- sessions are snapshots.sql's. One row a reason.
-- Parameters: relation (oid, or a name as regclass reads it), root (its column, which need not exist), parent.
-- Returns: verdict, subject, name, why (a sentence). Verdicts:
--   refuse   neither way can work
--   update   only the UPDATE is sound
--   rewrite  the UPDATE does, or risks, what a rewrite would not
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
\if :{?root}
\else
\set root 'root_job_id'
\endif
\if :{?parent}
\else
\set parent 'parent_job_id'
\endif
WITH RECURSIVE log AS (
  SELECT c.*, current_setting('server_version_num')::integer AS version,
    (SELECT a.attnum FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = c.oid AND a.attname::text = :'root'::text AND NOT a.attisdropped) AS root,
    (SELECT a.attnum FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = c.oid AND a.attname::text = :'parent'::text AND NOT a.attisdropped) AS parent
  FROM pg_catalog.pg_class AS c
  WHERE c.oid = :'relation'::regclass
), row_type AS (
  -- The table's row type, and every type that has it inside: arrays, domains, ranges, composite types, views' rows.
  SELECT log.reltype AS oid FROM log WHERE log.reltype <> 0
  UNION
  SELECT inside.oid
  FROM row_type
  CROSS JOIN LATERAL (
    SELECT t.typarray AS oid FROM pg_catalog.pg_type AS t WHERE t.oid = row_type.oid AND t.typarray <> 0
    UNION ALL
    SELECT t.oid FROM pg_catalog.pg_type AS t WHERE t.typbasetype = row_type.oid
    UNION ALL
    SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngsubtype = row_type.oid
    UNION ALL
    SELECT c.reltype
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('c', 'v')
    WHERE a.atttypid = row_type.oid AND NOT a.attisdropped
  ) AS inside
), published AS (
  SELECT t.pubname, p.pubupdate
  FROM log
  JOIN pg_catalog.pg_namespace AS n ON n.oid = log.relnamespace
  JOIN pg_catalog.pg_publication_tables AS t ON t.schemaname = n.nspname AND t.tablename = log.relname
  JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname
), dependent AS (
  SELECT DISTINCT CASE WHEN def.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
                       ELSE pg_describe_object('pg_class'::regclass, def.adrelid, def.adnum) END AS name
  FROM log
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_class'::regclass AND d.refobjid = log.oid AND d.refobjsubid = log.root
  LEFT JOIN pg_catalog.pg_attrdef AS def ON d.classid = 'pg_attrdef'::regclass AND def.oid = d.objid
  WHERE (def.adrelid = log.oid AND def.adnum = log.root) IS NOT TRUE  -- its own default
    AND (d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_attrdef'::regclass,
        'pg_proc'::regclass, 'pg_publication_rel'::regclass)
      -- A generated column, as Postgres 14 has it.
      OR d.classid = 'pg_class'::regclass AND d.objid = log.oid AND d.objsubid > 0)
)
SELECT 'refuse' AS verdict, 'kind' AS subject, 'typed table' AS name,
  'it is a typed table, which takes no column of its own' AS why
FROM log WHERE log.reloftype <> 0 AND log.root IS NULL
UNION ALL
SELECT 'update', 'kind', 'typed table', 'it is a typed table' FROM log WHERE log.reloftype <> 0 AND log.root IS NOT NULL
UNION ALL
SELECT 'refuse', 'kind', 'other', 'it is no ordinary table' FROM log
WHERE log.relkind <> 'r' OR log.relpersistence = 't' OR log.relispartition
  OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE log.oid IN (i.inhrelid, i.inhparent))
UNION ALL
SELECT 'refuse', 'row security', '', 'row security hides rows from the role' FROM log WHERE row_security_active(log.oid)
UNION ALL
SELECT 'refuse', 'rule', r.rulename::text, format('rule %I takes the place of UPDATE', r.rulename)
FROM log JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = log.oid
WHERE r.ev_type = '2' AND r.is_instead AND r.ev_enabled NOT IN ('D', 'R')
UNION ALL
SELECT 'refuse', 'replica identity', published.pubname::text,
  format('publication %I carries updates, and the table has no replica identity', published.pubname)
FROM log CROSS JOIN published
WHERE published.pubupdate AND log.relreplident <> 'f'
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = log.oid AND i.indisvalid AND i.indimmediate
      AND CASE log.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
UNION ALL
SELECT 'update', 'access method', am.amname::text, format('its access method is %I', am.amname)
FROM log JOIN pg_catalog.pg_am AS am ON am.oid = log.relam WHERE am.amname <> 'heap'
UNION ALL
SELECT 'update', 'row type', a.attrelid::regclass::text,
  format('its row type is used by column %I of %s', a.attname, a.attrelid::regclass)
FROM row_type
JOIN pg_catalog.pg_attribute AS a ON a.atttypid = row_type.oid AND NOT a.attisdropped
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'm', 'p', 'f')
UNION ALL
SELECT 'update', 'dependent', dependent.name, dependent.name || ' uses the root column' FROM dependent
UNION ALL
SELECT 'update', 'event trigger', e.evtname::text, format('event trigger %I fires on a rewrite', e.evtname)
FROM pg_catalog.pg_event_trigger AS e
WHERE e.evtevent = 'table_rewrite' AND e.evtenabled NOT IN ('D', 'R')
UNION ALL
SELECT 'update', 'invalid index', i.indexrelid::regclass::text,
  format('index %s is invalid, and a rewrite would build it anew', i.indexrelid::regclass)
FROM log JOIN pg_catalog.pg_index AS i ON i.indrelid = log.oid
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
UNION ALL
SELECT DISTINCT 'update', 'index function', i.indexrelid::regclass::text,
  format('index %s calls %s, whose search path is not pinned', i.indexrelid::regclass, p.oid::regprocedure)
FROM log
JOIN pg_catalog.pg_index AS i ON i.indrelid = log.oid
JOIN pg_catalog.pg_depend AS d
  ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_proc'::regclass
JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE log.version >= 170000 AND l.lanname NOT IN ('internal', 'c') AND p.pronamespace <> 'pg_catalog'::regnamespace
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting (text) WHERE setting.text LIKE 'search\_path=%')
UNION ALL
SELECT 'update', 'publication', published.pubname::text,
  format('publication %I carries it, and a rewrite is not replicated', published.pubname)
FROM published
UNION ALL
SELECT 'update', 'slot', s.slot_name::text,
  format('logical slot %I reads this database, and a rewrite is not in its stream', s.slot_name)
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_type = 'logical' AND s.database = current_database() AND s.wal_status IS DISTINCT FROM 'lost'
UNION ALL
SELECT 'update', 'toast', '',
  format('its TOAST, %s, is larger than heap and indexes: a rewrite would take longer than the UPDATE',
    pg_size_pretty(pg_relation_size(log.reltoastrelid)))
FROM log
WHERE log.reltoastrelid <> 0
  AND pg_relation_size(log.reltoastrelid) > pg_relation_size(log.oid) + pg_indexes_size(log.oid)
UNION ALL
SELECT 'rewrite', 'trigger', t.tgname::text, format('an UPDATE fires trigger %I', t.tgname)
FROM log JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = log.oid
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype::integer & 16 <> 0
  AND (t.tgattr::text = '' OR log.root = ANY (t.tgattr::int2[]) OR log.parent = ANY (t.tgattr::int2[]))
  -- The guard, which lets llamactl's writes pass.
  AND NOT (t.tgname = 'zz_llamactl_guard' AND EXISTS (
    SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.oid = t.tgfoid AND n.nspname = 'llamactl'))
UNION ALL
SELECT 'rewrite', 'trigger', r.rulename::text, format('an UPDATE fires rule %I', r.rulename)
FROM log JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = log.oid
WHERE r.ev_type = '2' AND NOT r.is_instead AND r.ev_enabled NOT IN ('D', 'R')
UNION ALL
SELECT 'rewrite', 'unvalidated check', k.conname::text, format('an UPDATE checks %I, which is NOT VALID', k.conname)
FROM log JOIN pg_catalog.pg_constraint AS k ON k.conrelid = log.oid
WHERE k.contype = 'c' AND NOT k.convalidated
ORDER BY 1, 2, 3;
