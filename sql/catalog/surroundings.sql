-- What the next steps after a migration depend on. Parameter: relation (the table's oid, or its name as regclass reads it).
-- Returns one row: prisma (Prisma keeps its list of migrations in the table's schema), guarded (the guard's trigger is on the table and enabled).
-- Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT EXISTS (
         SELECT FROM pg_catalog.pg_class AS log
         JOIN pg_catalog.pg_class AS beside ON beside.relnamespace = log.relnamespace
         WHERE log.oid = :'relation'::regclass AND beside.relname = '_prisma_migrations' AND beside.relkind IN ('r', 'p')) AS prisma,
       EXISTS (
         SELECT FROM pg_catalog.pg_trigger
         WHERE tgrelid = :'relation'::regclass AND tgname = 'zz_llamactl_guard' AND tgenabled IN ('O', 'A')) AS guarded;
