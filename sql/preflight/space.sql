-- Space in the database's files that no relation owns: what the files hold, less every fork of every relation.
-- Shared relations lie elsewhere. Files that a running transaction made belong to relations that nobody else sees
-- yet: such a transaction holds a strong lock, and then the figure is not given.
-- Returns one row: unowned (bytes; NULL where it cannot be told). Opens each relation: ACCESS SHARE, for the moment.
SELECT CASE WHEN NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
      AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
  THEN pg_database_size(current_database()) - (
    SELECT coalesce(sum(pg_relation_size(c.oid, fork.name)), 0)
    FROM pg_catalog.pg_class AS c
    CROSS JOIN (VALUES ('main'), ('fsm'), ('vm'), ('init')) AS fork (name)
    WHERE NOT c.relisshared AND c.relkind IN ('r', 'i', 'S', 't', 'm'))::bigint
  END AS unowned;
