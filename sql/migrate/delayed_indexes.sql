-- The indexes that this transaction built and that queries ignore until the transactions that are open elsewhere have ended, because they
-- were built after HOT updates. Parameter: relation (the table's oid, or its name as regclass reads it). Returns: name (quoted, with its
-- schema). Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT i.indexrelid::regclass::text AS name
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = :'relation'::regclass AND i.indcheckxmin AND i.xmin = pg_current_xact_id()::xid
ORDER BY 1;
