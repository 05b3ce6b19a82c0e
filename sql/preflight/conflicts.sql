-- Rows whose stored root differs from the computed one, once lineage is resolved. Parameters: sample.
-- Returns: row_id, the first so many. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
SELECT entry.row_id
FROM :entry AS entry
LEFT JOIN pg_temp.lineage ON lineage.job = coalesce(entry.job, entry.parent)
WHERE entry.root IS NOT NULL
  AND entry.root IS DISTINCT FROM
    CASE WHEN NOT lineage.dangling OR (SELECT fill_dangling FROM pg_temp.setting) THEN lineage.root END
ORDER BY entry.row_id COLLATE "C"
LIMIT :'sample'::integer;
