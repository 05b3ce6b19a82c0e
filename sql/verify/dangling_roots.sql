-- The number of rows that store a dangling parent as their root, which is the computed one. Returns one row: rows. Lock: none.
SELECT coalesce(sum(tally.rows), 0)::bigint AS rows FROM pg_temp.tally WHERE tally.stored = 'r' AND tally.dangling;
