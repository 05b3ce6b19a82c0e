-- Prepared transactions of this database that hold a lock on the table, or are more than a minute old.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns: gid, owner, age_seconds, locks (whether on the table).
-- Default relation: '"public"."LlamaLog"'
SELECT found.gid, found.owner, found.age_seconds, found.locks
FROM (
  SELECT p.gid, p.owner::text AS owner,
    extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS age_seconds,
    EXISTS (
      SELECT
      FROM pg_catalog.pg_locks AS own
      JOIN pg_catalog.pg_locks AS held ON held.virtualtransaction = own.virtualtransaction AND held.pid IS NULL
      WHERE own.pid IS NULL AND own.locktype = 'transactionid' AND own.transactionid = p.transaction
        AND held.locktype = 'relation' AND held.relation = :'relation'::regclass) AS locks
  FROM pg_catalog.pg_prepared_xacts AS p
  WHERE p.database = current_database()
) AS found
WHERE found.locks OR found.age_seconds > 60
ORDER BY found.age_seconds DESC;
