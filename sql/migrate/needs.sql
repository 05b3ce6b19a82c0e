-- What the rows require of the migration. One row: disregarded (rows with the root flag whose parent is ignored), save_parents (whether
-- there are any), fill (rows have no root), refill (so many that an index on the column is better rebuilt), check_holds (no row would
-- violate the self-parent CHECK) and its opposite, check_broken. Lock: none.
WITH log AS (
  SELECT coalesce(sum(row_count), 0) AS rows,
         coalesce(sum(disregarded_count), 0) AS disregarded,
         coalesce(sum(self_parent_count), 0) AS self_parents
  FROM pg_temp.edge
), known AS (
  SELECT coalesce(sum(row_count - root_count), 0) AS bare FROM pg_temp.graded WHERE root IS NOT NULL
)
SELECT disregarded::bigint AS disregarded, disregarded > 0 AS save_parents, bare > 0 AS fill, bare * 10 > rows AS refill,
       self_parents = 0 AS check_holds, self_parents > 0 AS check_broken
FROM log, known;
