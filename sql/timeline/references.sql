-- The tables with a name or title that the foreign keys of a relation refer to: for each column, the first such key.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns one row per column: column_name, schema_name, table_name, key_name (the referenced column), label_name (the column with the
--   name or title), usable (the role may use the schema), granted (it may read both columns), hidden (row security hides
--   rows from it). Keys with several columns are left out, since one of them does not identify a row.
-- Lock: none on the user's table.
-- Default relation: '"public"."LlamaLog"'
SELECT DISTINCT ON (own.attname)
  own.attname::text AS column_name,
  n.nspname::text AS schema_name,
  c.relname::text AS table_name,
  key.attname::text AS key_name,
  label.attname::text AS label_name,
  has_schema_privilege(n.oid, 'USAGE') AS usable,
  has_column_privilege(c.oid, key.attnum, 'SELECT') AND has_column_privilege(c.oid, label.attnum, 'SELECT') AS granted,
  row_security_active(c.oid) AS hidden
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_attribute AS own ON own.attrelid = f.conrelid AND own.attnum = f.conkey[1]
JOIN pg_catalog.pg_class AS c ON c.oid = f.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS key ON key.attrelid = c.oid AND key.attnum = f.confkey[1]
JOIN pg_catalog.pg_attribute AS label ON label.attrelid = c.oid AND NOT label.attisdropped AND label.attname IN ('name', 'title')
WHERE f.conrelid = :'relation'::regclass AND f.contype = 'f' AND cardinality(f.conkey) = 1
ORDER BY own.attname, label.attname, f.conname;
