-- The sessions and prepared transactions that block a backend. Parameter: pid. Returns the columns of catalog/locks.sql, the oldest
-- transaction first. Lock: none.
-- Default pid: 0
WITH blocker AS (
  SELECT DISTINCT blocking.pid FROM unnest(pg_blocking_pids(:'pid'::integer)) AS blocking (pid)
)
SELECT nullif(blocker.pid, 0) AS pid,
       coalesce(session.usename, prepared.owner)::text AS user_name,
       coalesce(session.application_name, '') AS application,
       CASE WHEN blocker.pid = 0 THEN 'prepared transaction ' || coalesce(prepared.gid, '') ELSE session.state END AS state,
       coalesce(held.mode, 'a lock') AS mode,
       coalesce(held.granted, true) AS granted,
       extract(epoch FROM clock_timestamp() - coalesce(session.xact_start, prepared.prepared))::float8 AS age_seconds,
       extract(epoch FROM clock_timestamp() - held.waitstart)::float8 AS wait_seconds,
       session.query AS query
FROM blocker
LEFT JOIN pg_catalog.pg_stat_activity AS session ON session.pid = blocker.pid
LEFT JOIN LATERAL (
  -- Its lock on what the backend waits for: a granted lock before one that is ahead in the queue.
  SELECT CASE locks.locktype WHEN 'relation' THEN locks.mode
           WHEN 'virtualxid' THEN 'its transaction open'
           WHEN 'transactionid' THEN 'rows that it has written'
           ELSE 'a lock (' || locks.locktype || ')' END AS mode,
         locks.granted, locks.waitstart, locks.virtualtransaction
  FROM pg_catalog.pg_locks AS locks
  JOIN pg_catalog.pg_locks AS wanted
    ON wanted.pid = :'pid'::integer AND NOT wanted.granted AND wanted.locktype = locks.locktype
   AND (wanted.database, wanted.relation, wanted.page, wanted.tuple, wanted.virtualxid, wanted.transactionid, wanted.classid,
        wanted.objid, wanted.objsubid)
     IS NOT DISTINCT FROM
       (locks.database, locks.relation, locks.page, locks.tuple, locks.virtualxid, locks.transactionid, locks.classid,
        locks.objid, locks.objsubid)
  WHERE locks.pid IS NOT DISTINCT FROM nullif(blocker.pid, 0)
  ORDER BY locks.granted DESC, array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock',
    'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'], locks.mode)
  LIMIT 1
) AS held ON true
LEFT JOIN pg_catalog.pg_locks AS own
  ON blocker.pid = 0 AND own.pid IS NULL AND own.locktype = 'transactionid' AND own.virtualtransaction = held.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
ORDER BY age_seconds DESC NULLS LAST, 1;
