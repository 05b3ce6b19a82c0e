-- The other sessions of this database that hold a snapshot, and those that the role may not see. Run
-- forget_activity.sql before it. A snapshot of ours in a parallel worker is no other session's.
-- Returns: pid, user_name, application, state, age_seconds (of the transaction), query, waits_for_us (it waits for a
--   lock that this session holds), holds (a snapshot), hidden (the role may not see the session). What is hidden is NULL.
SELECT
  other.pid,
  other.usename::text AS user_name,
  coalesce(other.application_name, '') AS application,
  other.state,
  extract(epoch FROM clock_timestamp() - other.xact_start)::float8 AS age_seconds,
  CASE WHEN other.backend_type IS NOT NULL THEN other.query END AS query,
  pg_backend_pid() = ANY (pg_blocking_pids(other.pid)) AS waits_for_us,
  other.backend_xmin IS NOT NULL AS holds,
  other.backend_type IS NULL AS hidden
FROM pg_catalog.pg_stat_activity AS other
WHERE other.datname = current_database()
  AND other.usesysid IS NOT NULL  -- autovacuum, which reads nothing without its lock, has no user
  AND other.pid <> pg_backend_pid()
  AND other.leader_pid IS NULL
  AND (other.backend_xmin IS NOT NULL OR other.backend_type IS NULL)
ORDER BY age_seconds DESC NULLS LAST, other.pid;
