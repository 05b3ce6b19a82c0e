-- What stands on the table, or in the way of the names that the migration gives. Reads catalogs only.
-- Parameters: relation (oid, or a name as regclass reads it), job, parent, root (its columns), index, check (the new names).
-- Returns: subject, name, detail. Subjects:
--   job index, parent index, root index   a valid index that leads with the column, for every row that has a value
--   invalid index     of the new index's name, or on the root column
--   index name        something else has the new index's name; detail says what
--   constraint name   something else has the CHECK's name; detail says what
--   policy            row security, whether in force or not
--   ddl trigger       an event trigger on DDL
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
\if :{?job}
\else
\set job 'job_id'
\endif
\if :{?parent}
\else
\set parent 'parent_job_id'
\endif
\if :{?root}
\else
\set root 'root_job_id'
\endif
\if :{?index}
\else
\set index 'LlamaLog_root_job_id_idx'
\endif
\if :{?check}
\else
\set check 'LlamaLog_job_id_not_parent_check'
\endif
WITH wanted AS (
  SELECT named.subject, a.attnum
  FROM (VALUES ('job', :'job'::text), ('parent', :'parent'::text), ('root', :'root'::text)) AS named (subject, name)
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = :'relation'::regclass AND a.attname::text = named.name AND NOT a.attisdropped
), indexed AS (
  SELECT i.indexrelid, c.relname, am.amname, i.indkey[0] AS leading,
    i.indisvalid AND i.indisready AND i.indislive AS usable,
    i.indpred IS NULL AS whole,
    i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname) AS covers,
    i.indkey::text = i.indkey[0]::text AS alone
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = :'relation'::regclass
), root AS (SELECT attnum FROM wanted WHERE subject = 'root')
SELECT wanted.subject || ' index' AS subject, indexed.relname::text AS name,
  pg_get_indexdef(indexed.indexrelid) AS detail
FROM wanted
JOIN indexed ON indexed.leading = wanted.attnum
WHERE indexed.usable AND indexed.covers AND indexed.amname IN ('btree', 'hash')
UNION ALL
SELECT 'invalid index', indexed.relname::text, pg_get_indexdef(indexed.indexrelid)
FROM indexed
WHERE NOT indexed.usable
  AND (indexed.relname::text = :'index'::text OR indexed.leading = (SELECT root.attnum FROM root))
UNION ALL
SELECT 'index name', c.relname::text,
  CASE WHEN i.indexrelid IS NULL THEN pg_describe_object('pg_class'::regclass, c.oid, 0)
    ELSE pg_get_indexdef(c.oid) END
FROM pg_catalog.pg_class AS own
JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.relnamespace AND c.relname::text = :'index'::text
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN indexed ON indexed.indexrelid = c.oid
WHERE own.oid = :'relation'::regclass
  -- An invalid one is told above; a plain one on the root column alone is the one that was wanted.
  AND NOT coalesce(NOT indexed.usable, false)
  AND NOT coalesce(indexed.leading = (SELECT root.attnum FROM root) AND indexed.alone AND indexed.whole
    AND indexed.amname = 'btree', false)
UNION ALL
SELECT 'constraint name', k.conname::text, pg_get_constraintdef(k.oid)
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
ORDER BY 1, 2;
