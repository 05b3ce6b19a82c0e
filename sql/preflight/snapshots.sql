-- The other sessions of this database that hold a snapshot. Run catalog/look_again.sql before it. A lasting snapshot
-- (REPEATABLE READ) cannot be distinguished from that of a single statement.
-- Returns: pid, user_name, application, state, age_seconds (of the transaction), query.
--   For a session that the role may not see, state, age and query are NULL.
SELECT
  other.pid,
  other.usename::text AS user_name,
  coalesce(other.application_name, '') AS application,
  other.state,
  extract(epoch FROM clock_timestamp() - other.xact_start)::float8 AS age_seconds,
  CASE WHEN other.backend_type IS NOT NULL THEN other.query END AS query
FROM pg_catalog.pg_stat_activity AS other
WHERE other.datname = current_database()
  AND other.usesysid IS NOT NULL  -- autovacuum, which reads nothing without its lock, has no user
  AND other.pid <> pg_backend_pid()
  AND other.leader_pid IS NULL  -- a parallel worker shares its leader's snapshot
  AND other.backend_xmin IS NOT NULL
ORDER BY age_seconds DESC NULLS LAST, other.pid;
