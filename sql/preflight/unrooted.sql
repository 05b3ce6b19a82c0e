-- The rows since the migration that have a parent and store no root, once lineage is resolved.
-- Parameters: since_epoch (seconds since 1970), sample.
-- Returns one row: rows, computable (those whose root can be computed), sample (row ids, the newest first).
-- Lock: ACCESS SHARE (reads every row).
-- Default since_epoch: 0
-- Default sample: 10
WITH unrooted AS MATERIALIZED (
  SELECT entry.row_id, entry.created_epoch, graded.root IS NOT NULL AS computable
  FROM :entry AS entry
  LEFT JOIN pg_temp.graded
    ON coalesce(graded.job, graded.parent) = coalesce(entry.job, entry.parent)
   AND (graded.job IS NULL) = (entry.job IS NULL)
  WHERE entry.root IS NULL AND entry.parent IS NOT NULL AND entry.created_epoch >= :'since_epoch'::numeric
)
SELECT count(*) AS rows, count(*) FILTER (WHERE computable) AS computable,
  ARRAY(
    SELECT row_id FROM unrooted
    ORDER BY created_epoch DESC, row_id COLLATE "C" LIMIT :'sample'::integer) AS sample
FROM unrooted;
