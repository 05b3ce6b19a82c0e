-- Whether Prisma keeps its list of migrations beside the table. Reads catalogs only.
-- Parameter: relation (the table's oid, or its name as regclass reads it).
-- Returns one row: found. Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_class AS log
  JOIN pg_catalog.pg_class AS beside ON beside.relnamespace = log.relnamespace
  WHERE log.oid = :'relation'::regclass AND beside.relname = '_prisma_migrations' AND beside.relkind IN ('r', 'p')) AS found;
