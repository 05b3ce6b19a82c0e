-- The rows of the transaction's snapshot, for prove.sql. A row counts as new if the oldest transaction that is still running, or one that
-- began later, may have written it. Returns one row: rows (all of them), fresh (the new ones), oldest (the xid of that transaction).
-- Lock: ACCESS SHARE.
SELECT counted.rows, counted.fresh, pg_snapshot_xmin(pg_current_snapshot())::xid::text AS oldest
FROM (
  SELECT count(*) AS rows,
         count(*) FILTER (WHERE age(log.xmin) BETWEEN 0 AND (SELECT age(pg_snapshot_xmin(pg_current_snapshot())::xid))) AS fresh
  FROM "public"."LlamaLog" AS log
) AS counted;
