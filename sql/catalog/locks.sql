-- The other sessions and the prepared transactions that hold or wait for a lock on a relation.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns: pid (NULL for a prepared transaction), user_name, application, state, mode (the strongest), granted,
--   age_seconds (of the transaction), wait_seconds (also NULL at the very beginning of a wait), query. Columns of a session
--   that the role may not see are NULL.
-- Default relation: '"public"."LlamaLog"'
SELECT
  locks.pid,
  coalesce(session.usename, prepared.owner)::text AS user_name,
  coalesce(session.application_name, '') AS application,
  CASE WHEN locks.pid IS NULL THEN 'prepared transaction ' || coalesce(prepared.gid, '')
    ELSE session.state END AS state,
  (array_agg(locks.mode ORDER BY array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock',
    'ShareRowExclusiveLock', 'ShareLock', 'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock',
    'AccessShareLock'], locks.mode)))[1] AS mode,
  bool_and(locks.granted) AS granted,
  extract(epoch FROM clock_timestamp() - coalesce(session.xact_start, prepared.prepared))::float8 AS age_seconds,
  CASE WHEN NOT bool_and(locks.granted)
    THEN extract(epoch FROM clock_timestamp() - min(locks.waitstart))::float8 END AS wait_seconds,
  session.query AS query
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity AS session ON session.pid = locks.pid
LEFT JOIN pg_catalog.pg_locks AS own
  ON locks.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
  AND own.virtualtransaction = locks.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
WHERE locks.locktype IN ('relation', 'tuple', 'page', 'extend')
  AND locks.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
  AND locks.relation = :'relation'::regclass
  AND locks.pid IS DISTINCT FROM pg_backend_pid()
GROUP BY locks.pid, locks.virtualtransaction, session.usename, prepared.owner, session.application_name,
  prepared.gid, session.state, session.xact_start, prepared.prepared, session.query
ORDER BY age_seconds DESC NULLS LAST, locks.pid;
