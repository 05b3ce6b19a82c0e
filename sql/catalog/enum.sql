-- The enum type of a column, also if the column has a domain over it.
-- Parameters: relation (oid, or a name as regclass reads it), column (its name).
-- Returns schema, name, owner, and label: one row per label, in order; one row with a NULL label if the type has none; no row if the
-- column is not an enum.
-- Default relation: '"public"."LlamaLog"'
-- Default column: 'category'
SELECT
  n.nspname::text AS schema,
  t.typname::text AS name,
  pg_get_userbyid(t.typowner)::text AS owner,
  e.enumlabel::text AS label
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS own ON own.oid = a.atttypid
JOIN pg_catalog.pg_type AS t
  ON t.oid = CASE WHEN own.typtype = 'd' THEN own.typbasetype ELSE own.oid END
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_enum AS e ON e.enumtypid = t.oid
WHERE a.attrelid = :'relation'::regclass AND a.attname::text = :'column'::text AND NOT a.attisdropped
  AND t.typtype = 'e'
ORDER BY e.enumsortorder;
