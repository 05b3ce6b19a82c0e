-- The client of a session, as recorded by client.sql. Parameters: pid, host (the number of the machine that asks).
-- Returns: client (its process id), or no row if it is on another machine. Lock: none.
-- Default pid: 0
-- Default host: 0
SELECT locks.objid::bigint AS client
FROM pg_catalog.pg_locks AS locks
WHERE locks.locktype = 'advisory' AND locks.objsubid = 2 AND locks.mode = 'ShareLock' AND locks.pid = :'pid'::integer
  AND locks.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
  AND locks.classid::bigint = :'host'::bigint;
