-- What the rows ask of the migration. One row: save_parents (rows have a parent that the root flag disregards), refill (so
-- many rows lack their root that an index on the column is better built anew), check_holds (no row would violate the
-- self-parent CHECK). Lock: none.
SELECT coalesce(sum(disregarded_count), 0) > 0 AS save_parents,
       coalesce(sum(row_count - root_count) FILTER (WHERE root IS NOT NULL), 0) * 10 > coalesce(sum(row_count), 0) AS refill,
       coalesce(sum(self_parent_count), 0) = 0 AS check_holds
FROM pg_temp.graded;
