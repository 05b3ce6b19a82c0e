-- Space in the database's files that belongs to no relation: the size of the files, minus every fork of every relation.
-- Shared relations are stored elsewhere. Files that a running transaction created belong to relations that no other session
-- sees yet: such a transaction holds a strong lock, and then no figure is returned.
-- Returns one row: unowned (bytes; NULL if unknown). Opens each relation: ACCESS SHARE, for a moment.
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
