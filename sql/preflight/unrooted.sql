-- The rows since the migration that have a parent and store no root, once lineage is resolved.
-- Parameters: since_epoch (seconds since 1970), sample.
-- Returns one row: rows, computable (those whose root can be computed), sample (row ids, the newest first).
-- Lock: ACCESS SHARE (reads every row).
-- Default since_epoch: 0
-- Default sample: 10
WITH unrooted AS MATERIALIZED (
  SELECT rooted.row_id, rooted.created_epoch, rooted.computed IS NOT NULL AS computable
  FROM :rooted AS rooted
  WHERE rooted.root IS NULL AND rooted.parent IS NOT NULL AND rooted.created_epoch >= :'since_epoch'::numeric
)
SELECT count(*) AS rows, count(*) FILTER (WHERE computable) AS computable,
  ARRAY(
    SELECT row_id FROM unrooted
    ORDER BY created_epoch DESC, row_id COLLATE "C" LIMIT :'sample'::integer) AS sample
FROM unrooted;
