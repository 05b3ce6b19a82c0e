-- Counts the rows that nobody has changed since a snapshot: those that are not new, and those that the run's own transactions wrote. Each
-- of these wrote one row for one that was not new. So if these are as many as the snapshot had rows, none of them was changed or deleted.
-- Their number and that of the new rows is exact although xids wrap around: fewer than 2^31 were used since (see create_round.sql), and the
-- frozen rows that are older are not new. Run it in a transaction that has no xid: then age() counts from the next one.
-- Parameters: oldest (see snapshot.sql), ours (the xids of the run's transactions), relation (oid, or its name as regclass reads it).
-- Returns one row: known, fresh (new, and not ours), tried (see pending.sql), shape (see shape.sql; NULL: the table was dropped).
-- Lock: ACCESS SHARE.
-- Default oldest: 3
-- Default ours: '{}'
-- Default relation: '"public"."LlamaLog"'
SELECT counted.known, counted.fresh,
       (SELECT count(DISTINCT tried.row_id) FROM pg_temp.tried WHERE tried.task = 'fill') AS tried,
       (SELECT shape.parts FROM :shape AS shape WHERE shape.relation = :'relation'::regclass::oid) AS shape
FROM (
  SELECT count(*) FILTER (WHERE NOT seen.fresh OR seen.ours) AS known, count(*) FILTER (WHERE seen.fresh AND NOT seen.ours) AS fresh
  FROM (
    SELECT age(log.xmin) BETWEEN 0 AND (SELECT age(:'oldest'::text::xid)) AS fresh, log.xmin = ANY (:'ours'::text[]::xid[]) AS ours
    FROM "public"."LlamaLog" AS log
  ) AS seen
) AS counted;
