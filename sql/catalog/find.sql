-- The relations that have the requested name.
-- Parameters: schema (empty: those that the search path shows), table (empty: "LlamaLog" and llama_logs), schemas (those of the role's
--   search path that it may use, in order), path (the role's search path as returned by SHOW).
-- Returns: oid, schema_name, table_name, usable (whether the role has USAGE on the schema).
-- Default schema: ''
-- Default table: ''
-- Default schemas: '{public}'
-- Default path: '"$user", public'
WITH usable AS (
  SELECT n.oid, schemas.position
  FROM unnest(:'schemas'::text[]) WITH ORDINALITY AS schemas (name, position)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = schemas.name
), named AS (
  -- Every schema that the path names, parsed by the server's rules: "" inside quotes is one quote, and unquoted names are folded to
  -- lower case. A schema that the role may not use is not part of the path, but must be reported.
  SELECT CASE WHEN word = '$user' THEN current_user::text ELSE word::name::text END AS schema_name
  FROM (
    SELECT coalesce(replace(part[1], '""', '"'), lower(part[2] COLLATE "C")) AS word
    FROM regexp_matches(:'path', '"((?:[^"]|"")*)"|([^\s,"]+)', 'g') AS part
  ) AS words
)
SELECT
  c.oid::bigint AS oid,
  n.nspname::text AS schema_name,
  c.relname::text AS table_name,
  has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN usable ON usable.oid = n.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN :'table'::text = '' THEN c.relname::text IN ('LlamaLog', 'llama_logs')
      ELSE c.relname::text = :'table'::text END
  AND CASE WHEN :'schema'::text <> '' THEN n.nspname::text = :'schema'::text
        WHEN has_schema_privilege(n.oid, 'USAGE') THEN usable.position = (
          -- The first relation of the name hides the others, even if it is an index.
          SELECT min(earlier.position)
          FROM usable AS earlier
          JOIN pg_catalog.pg_class AS other ON other.relnamespace = earlier.oid
          WHERE other.relname = c.relname)
        ELSE n.nspname::text IN (SELECT schema_name FROM named) END
ORDER BY 2, 3;
