-- The session that holds the claim on the table (claim.sql). Parameter: relation (the table's oid, or its name as regclass reads it).
-- Returns the columns of catalog/locks.sql. Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT locks.pid, session.usename::text AS user_name, coalesce(session.application_name, '') AS application, session.state,
       'the claim on the table' AS mode, true AS granted,
       extract(epoch FROM clock_timestamp() - session.xact_start)::float8 AS age_seconds, NULL::float8 AS wait_seconds,
       session.query
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity AS session ON session.pid = locks.pid
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 2
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND locks.classid = 1819042145
  AND locks.objid::bigint = ((:'relation'::regclass::oid::bigint - 2147483648)::integer::bigint + 4294967296) % 4294967296
  AND locks.pid <> pg_backend_pid();
