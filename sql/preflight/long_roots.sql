-- Roots that do not fit an entry of a btree index. What counts is the size after compression, taken from the temporary table in which they
-- are stored. Parameters: sample, longest (the number of characters of each that are shown). Run it after long_candidates.sql.
-- Returns one row: number, sample. Lock: none.
-- Default sample: 10
-- Default longest: 2147483647
WITH long AS MATERIALIZED (
  SELECT suspect.job AS root FROM pg_temp.suspect WHERE pg_column_size(suspect.job) > 2692
)
SELECT count(*) AS number,
  ARRAY(SELECT left(long.root, least(:'longest'::integer, 60)) || '...' FROM long ORDER BY long.root LIMIT :'sample'::integer) AS sample
FROM long;
