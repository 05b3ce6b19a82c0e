-- The columns of a relation, with domains resolved to their base types.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns one row per column: name; type_name (including the length), bare_type (without it), kind (string, integer, uuid, other),
--   built_in (a built-in scalar type, whose values are read from text the same everywhere), collation (if it is not the type's
--   default), bytewise (values that differ in bytes are never equal), not_null, generated (cannot be written), computed (by an
--   expression), key_position (in the primary key, from 1), alone_unique (a valid unique index covers every row with this column only),
--   readable and updatable (by the role), qualified_type (type_name, with pg_catalog if a type of another schema could have the name).
-- Default relation: '"public"."LlamaLog"'
WITH RECURSIVE peeled AS (
  SELECT a.attnum, a.atttypid AS type_id, a.atttypmod AS type_mod, a.attnotnull AS not_null
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = :'relation'::regclass AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT peeled.attnum, t.typbasetype,
    CASE WHEN peeled.type_mod = -1 THEN t.typtypmod ELSE peeled.type_mod END,
    peeled.not_null OR t.typnotnull
  FROM peeled
  JOIN pg_catalog.pg_type AS t ON t.oid = peeled.type_id
  WHERE t.typtype = 'd'
)
SELECT
  a.attname::text AS name,
  format_type(t.oid, peeled.type_mod) AS type_name,
  format_type(t.oid, -1) AS bare_type,
  CASE
    WHEN t.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'string'
    WHEN t.typname = 'citext' AND t.typcategory = 'S' THEN 'string'
    WHEN t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
    WHEN t.oid = 'uuid'::regtype THEN 'uuid'
    ELSE 'other' END AS kind,
  t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typelem = 0 AND t.typname NOT LIKE 'reg%' AS built_in,
  CASE WHEN a.attcollation <> t.typcollation
    THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,
  t.typname <> 'citext' AND coalesce(co.collisdeterministic, true) AS bytewise,
  peeled.not_null AS not_null,
  a.attgenerated <> '' OR a.attidentity = 'a' AS generated,
  a.attgenerated <> '' AS computed,
  (SELECT array_position(i.indkey::int2[], a.attnum) + 1
   FROM pg_catalog.pg_index AS i
   WHERE i.indrelid = a.attrelid AND i.indisprimary) AS key_position,
  EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS alone_unique,
  has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
  has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS updatable,
  CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace AND format_type(t.oid, peeled.type_mod) = quote_ident(t.typname)
    THEN 'pg_catalog.' ELSE '' END || format_type(t.oid, peeled.type_mod) AS qualified_type
FROM peeled
JOIN pg_catalog.pg_type AS t ON t.oid = peeled.type_id AND t.typtype <> 'd'
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = :'relation'::regclass AND a.attnum = peeled.attnum
LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
ORDER BY a.attnum;
