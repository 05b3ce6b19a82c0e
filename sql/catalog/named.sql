-- The relation that has a name now. Parameters: schema, table, wanted. Returns: oid, columns (those of the wanted ones that exist,
-- each with its type, domains resolved), or no row. Lock: none.
-- Default schema: 'public'
-- Default table: 'LlamaLog'
-- Default wanted: '{}'
SELECT c.oid::bigint AS oid, ARRAY(
    WITH RECURSIVE peeled AS (
      SELECT a.attname, a.atttypid AS type_id, a.atttypmod AS type_mod
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT peeled.attname, t.typbasetype, CASE WHEN peeled.type_mod = -1 THEN t.typtypmod ELSE peeled.type_mod END
      FROM peeled
      JOIN pg_catalog.pg_type AS t ON t.oid = peeled.type_id
      WHERE t.typtype = 'd'
    )
    SELECT typed.name
    FROM (SELECT peeled.attname || ' ' || format_type(peeled.type_id, peeled.type_mod) AS name FROM peeled) AS typed
    WHERE typed.name = ANY (:'wanted'::text[])) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = :'schema'::text AND c.relname = :'table'::text;
