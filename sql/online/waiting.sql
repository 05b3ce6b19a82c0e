-- Whether a session is waiting for a lock on the table, which a batch would only delay. Returns one row: waiting.
-- Parameter: relation (the table's oid, or its name as regclass reads it). Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT EXISTS (
  SELECT
  FROM pg_catalog.pg_locks AS locks
  WHERE NOT locks.granted AND locks.relation = :'relation'::regclass
    AND locks.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
) AS waiting;
