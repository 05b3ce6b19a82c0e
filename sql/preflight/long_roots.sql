-- Roots that do not fit an entry of a btree index, once lineage is resolved. What counts is the size after compression, taken from the
-- temporary table in which they are stored. Parameters: sample, longest (the number of characters of each that are shown).
-- Returns one row: number, sample. Lock: none.
-- Default sample: 10
-- Default longest: 2147483647
WITH long AS MATERIALIZED (
  SELECT DISTINCT lineage.root
  FROM pg_temp.lineage
  WHERE (NOT lineage.dangling OR (SELECT setting.fill_dangling FROM pg_temp.setting))
    AND octet_length(lineage.root) > 2692 AND pg_column_size(lineage.root) > 2692
)
SELECT count(*) AS number,
  ARRAY(SELECT left(long.root, least(:'longest'::integer, 60)) || '...' FROM long ORDER BY long.root LIMIT :'sample'::integer) AS sample
FROM long;
