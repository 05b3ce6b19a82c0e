-- Objects on the table that would prevent or accompany filling it, or that have a name that the migration uses. Reads only the catalogs.
-- Parameters: relation (oid, or a name as regclass reads it), job, parent, root (its columns), index, check (the new names).
-- Returns: subject, name, detail (its first 300 characters). Subjects:
--   job index, parent index, root index   a valid index whose first column is that column, for every row with a value
--   invalid index     with the new index's name, or on the root column
--   index name        another object has the new index's name; detail describes it
--   constraint name   another constraint has the CHECK's name; detail describes it
--   policy            row security, whether in force or not
--   ddl trigger       an event trigger on DDL
--   typed table       no column can be added to the table, and it has no root column
--   replacing rule    it runs instead of UPDATE
--   accompanying rule  it runs something in addition to an UPDATE
--   column limit      the table has the maximum number of columns, including dropped ones, and no root column
--   replica identity  a publication includes updates, but the table has no replica identity
--   published columns  a publication whose row filter or column list does not fit the replica identity, so that an UPDATE fails
--   dependent         an object that uses the root column
--   publication       of the table; detail: columns, if it has a column list
--   state publication  of the schema llamactl, or of a table in it
--   slot (a logical one of this database), trigger (or rule, which an UPDATE of root or parent fires),
--   unvalidated check (NOT VALID)
-- Default relation: '"public"."LlamaLog"'
-- Default job: 'job_id'
-- Default parent: 'parent_job_id'
-- Default root: 'root_job_id'
-- Default index: 'LlamaLog_root_job_id_idx'
-- Default check: 'LlamaLog_job_id_not_parent_check'
WITH firing AS (
  SELECT CASE WHEN current_setting('session_replication_role') = 'replica' THEN '{R,A}' ELSE '{O,A}' END::"char"[] AS states
), wanted AS (
  SELECT named.subject, a.attnum
  FROM (VALUES ('job', :'job'::text), ('parent', :'parent'::text), ('root', :'root'::text)) AS named (subject, name)
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = :'relation'::regclass AND a.attname::text = named.name AND NOT a.attisdropped
), indexed AS (
  SELECT i.indexrelid, c.relname, am.amname, i.indkey[0] AS leading,
    i.indisvalid AND i.indisready AND i.indislive AS usable,
    i.indpred IS NULL AS whole,
    i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', coalesce(a.attname, '')) AS covers,
    i.indkey::text = i.indkey[0]::text AS alone
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = :'relation'::regclass
), root AS (
  SELECT attnum FROM wanted WHERE subject = 'root'
), log AS (
  SELECT c.*, (SELECT root.attnum FROM root) AS root,
    (SELECT wanted.attnum FROM wanted WHERE wanted.subject = 'parent') AS parent
  FROM pg_catalog.pg_class AS c
  WHERE c.oid = :'relation'::regclass
), published AS (
  SELECT t.pubname, p.pubupdate,
    EXISTS (
      SELECT FROM pg_catalog.pg_publication_rel AS listed
      WHERE listed.prpubid = p.oid AND listed.prrelid = log.oid
        AND to_jsonb(listed) ->> 'prattrs' IS NOT NULL) AS has_list  -- Postgres 14 has no such column
  FROM log
  JOIN pg_catalog.pg_namespace AS n ON n.oid = log.relnamespace
  JOIN pg_catalog.pg_publication_tables AS t ON t.schemaname = n.nspname AND t.tablename = log.relname
  JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname
), identity AS (
  SELECT coalesce(max(i.indkey::int2[]), '{}') AS columns
  FROM log
  LEFT JOIN pg_catalog.pg_index AS i
    ON i.indrelid = log.oid AND CASE log.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
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
SELECT wanted.subject || ' index' AS subject, indexed.relname::text AS name,
  left(pg_get_indexdef(indexed.indexrelid), 300) AS detail
FROM wanted
JOIN indexed ON indexed.leading = wanted.attnum
WHERE indexed.usable AND indexed.covers AND indexed.amname IN ('btree', 'hash')
UNION ALL
SELECT 'invalid index', indexed.relname::text, left(pg_get_indexdef(indexed.indexrelid), 300)
FROM indexed
WHERE NOT indexed.usable
  AND (indexed.relname::text = :'index'::text OR indexed.leading = (SELECT root.attnum FROM root))
UNION ALL
SELECT 'index name', c.relname::text,
  CASE WHEN i.indexrelid IS NULL THEN pg_describe_object('pg_class'::regclass, c.oid, 0)
    ELSE left(pg_get_indexdef(c.oid), 300) END
FROM pg_catalog.pg_class AS own
JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.relnamespace AND c.relname::text = :'index'::text
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN indexed ON indexed.indexrelid = c.oid
WHERE own.oid = :'relation'::regclass
  -- Invalid indexes are covered above; a plain index on the root column alone is the wanted one.
  AND NOT coalesce(NOT indexed.usable, false)
  AND NOT coalesce(indexed.leading = (SELECT root.attnum FROM root) AND indexed.alone AND indexed.whole
    AND indexed.amname = 'btree', false)
UNION ALL
SELECT 'constraint name', k.conname::text, left(pg_get_constraintdef(k.oid), 300)
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = :'relation'::regclass AND k.conname::text = :'check'::text
  AND NOT (k.contype = 'c' AND k.conkey @> ARRAY(SELECT wanted.attnum FROM wanted WHERE wanted.subject <> 'root')
    AND cardinality(k.conkey) = 2)
UNION ALL
SELECT 'policy', p.polname::text, p.polcmd::text
FROM pg_catalog.pg_policy AS p
WHERE p.polrelid = :'relation'::regclass
UNION ALL
SELECT 'ddl trigger', e.evtname::text, e.evtevent::text
FROM pg_catalog.pg_event_trigger AS e
WHERE e.evtenabled NOT IN ('D', 'R') AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
  AND (e.evttags IS NULL
    OR e.evttags && ARRAY['ALTER TABLE', 'CREATE INDEX', 'ALTER TYPE', 'COMMENT', 'CREATE SCHEMA', 'CREATE TABLE',
      'CREATE FUNCTION', 'CREATE VIEW', 'DROP INDEX', 'DROP VIEW', 'DROP FUNCTION'])
UNION ALL
SELECT 'typed table', log.relname::text, log.reloftype::regtype::text
FROM log
WHERE log.reloftype <> 0 AND log.root IS NULL
UNION ALL
SELECT CASE WHEN r.is_instead THEN 'replacing rule' ELSE 'trigger' END, r.rulename::text, pg_get_ruledef(r.oid)
FROM log
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = log.oid
CROSS JOIN firing
WHERE r.ev_type = '2' AND r.ev_enabled = ANY (firing.states)
UNION ALL
SELECT 'accompanying rule', r.rulename::text, pg_get_ruledef(r.oid)
FROM log
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = log.oid
CROSS JOIN firing
WHERE r.ev_type = '2' AND r.ev_enabled = ANY (firing.states) AND NOT r.is_instead
UNION ALL
SELECT 'column limit', log.relname::text, ''
FROM log
WHERE log.relnatts >= 1600 AND log.root IS NULL
UNION ALL
SELECT 'trigger', t.tgname::text, pg_get_triggerdef(t.oid)
FROM log
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = log.oid
CROSS JOIN firing
WHERE NOT t.tgisinternal AND t.tgenabled = ANY (firing.states) AND t.tgtype::integer & 16 <> 0
  AND (t.tgattr::text = '' OR log.root = ANY (t.tgattr::int2[]) OR log.parent = ANY (t.tgattr::int2[]))
  -- The guard, which lets llamactl's writes pass.
  AND NOT (t.tgname = 'zz_llamactl_guard' AND EXISTS (
    SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.oid = t.tgfoid AND n.nspname = 'llamactl'))
UNION ALL
SELECT 'replica identity', published.pubname::text, log.relreplident::text
FROM log
CROSS JOIN published
WHERE published.pubupdate AND log.relreplident <> 'f'
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = log.oid AND i.indisvalid AND i.indimmediate
      AND CASE log.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
UNION ALL
SELECT 'published columns', p.pubname::text, ''
FROM log
CROSS JOIN identity
JOIN pg_catalog.pg_publication_rel AS r ON r.prrelid = log.oid
JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid AND p.pubupdate
CROSS JOIN LATERAL (
  -- Before 15 a publication has neither.
  SELECT to_jsonb(r) ->> 'prqual' IS NOT NULL AS filtered, to_jsonb(r) ->> 'prattrs' IS NOT NULL AS listed,
         ARRAY(SELECT found[1]::int2 FROM regexp_matches(to_jsonb(r) ->> 'prattrs', '\d+', 'g') AS found) AS columns
) AS published_part
WHERE published_part.listed AND (log.relreplident = 'f' OR NOT identity.columns <@ published_part.columns)
  OR published_part.filtered AND log.relreplident <> 'f' AND EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = log.oid AND d.refobjsubid > 0 AND d.refobjsubid <> ALL (identity.columns)
      AND d.refobjsubid <> ALL (published_part.columns))
UNION ALL
SELECT 'dependent', dependent.name, ''
FROM dependent
UNION ALL
SELECT 'publication', published.pubname::text, CASE WHEN published.has_list THEN 'columns' ELSE '' END
FROM published
UNION ALL
SELECT 'state publication', p.pubname::text, ''
FROM pg_catalog.pg_publication AS p
WHERE p.puballtables
  OR EXISTS (
    SELECT FROM pg_catalog.pg_publication_tables AS t WHERE t.pubname = p.pubname AND t.schemaname = 'llamactl')
  -- A schema is published before it has tables; Postgres 14 does not have that.
  OR EXISTS (
    SELECT
    FROM pg_catalog.pg_depend AS of_schema
    JOIN pg_catalog.pg_namespace AS n
      ON of_schema.refclassid = 'pg_namespace'::regclass AND of_schema.refobjid = n.oid AND n.nspname = 'llamactl'
    JOIN pg_catalog.pg_depend AS of_publication
      ON of_publication.classid = of_schema.classid AND of_publication.objid = of_schema.objid
    WHERE of_schema.classid = to_regclass('pg_catalog.pg_publication_namespace')
      AND of_publication.refclassid = 'pg_publication'::regclass AND of_publication.refobjid = p.oid)
UNION ALL
SELECT 'slot', s.slot_name::text, s.plugin::text
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_type = 'logical' AND s.database = current_database() AND s.wal_status IS DISTINCT FROM 'lost'
UNION ALL
SELECT 'unvalidated check', k.conname::text, pg_get_constraintdef(k.oid)
FROM log
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = log.oid
WHERE k.contype = 'c' AND NOT k.convalidated
ORDER BY 1, 2;
