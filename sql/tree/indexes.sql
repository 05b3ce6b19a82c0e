-- The columns that are the first column of an index that finds a row by its value.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns one row per column: name; and next, the next column of the index (NULL: none, or an expression). A partial
--   index counts if it leaves out only NULLs, since no value searched for is NULL.
-- Lock: none on the user's table.
-- Default relation: '"public"."LlamaLog"'
SELECT DISTINCT a.attname::text AS name, b.attname::text AS next
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname IN ('btree', 'hash')
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
LEFT JOIN pg_catalog.pg_attribute AS b
  ON b.attrelid = i.indrelid AND b.attnum = i.indkey[1] AND i.indnkeyatts > 1 AND i.indcollation[1] IN (0, b.attcollation)
WHERE i.indrelid = :'relation'::regclass
  AND i.indisvalid
  -- Under another collation than the column's it would not be used.
  AND i.indcollation[0] IN (0, a.attcollation)
  AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname));
