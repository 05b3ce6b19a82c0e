-- Rows whose stored root differs from the computed one, once lineage is resolved. Parameters: sample.
-- Returns: row_id, the first so many. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
SELECT rooted.row_id
FROM :rooted AS rooted
WHERE rooted.root IS NOT NULL AND rooted.root IS DISTINCT FROM rooted.computed
ORDER BY rooted.row_id COLLATE "C"
LIMIT :'sample'::integer;
