-- What the rows require of the migration. One row: disregarded (rows with the root flag whose parent is ignored), save_parents (whether
-- there are any), fill (rows have no root), refill (so many that an index on the column is better rebuilt), check_holds (no row would
-- violate the self-parent CHECK) and its opposite, check_broken. Lock: none.
SELECT counted.disregarded, counted.disregarded > 0 AS save_parents, counted.bare > 0 AS fill, counted.bare * 10 > counted.rows AS refill,
       counted.self_parents = 0 AS check_holds, counted.self_parents > 0 AS check_broken
FROM (
  SELECT coalesce(sum(rows), 0) AS rows,
         coalesce(sum(rows) FILTER (WHERE disregarded), 0)::bigint AS disregarded,
         coalesce(sum(rows) FILTER (WHERE self_parent), 0) AS self_parents,
         coalesce(sum(rows) FILTER (WHERE outcome IN ('o', 'd') AND stored = '-'), 0) AS bare
  FROM pg_temp.tally
) AS counted;
