-- Rows whose job and parent together are too long for an entry of the guard's index, after compression.
-- Parameters: sample. Returns one row: number (of rows), sample (row ids). Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
WITH wide AS MATERIALIZED (
  SELECT log."id"::text AS row_id
  FROM "public"."LlamaLog" AS log
  WHERE coalesce(octet_length(log."job_id"::text), 0) + coalesce(octet_length(log."parent_job_id"::text), 0) > 2680
    AND coalesce(pg_column_size(log."job_id"), 0) + coalesce(pg_column_size(log."parent_job_id"), 0) > 2680
)
SELECT count(*) AS number,
  ARRAY(SELECT wide.row_id FROM wide ORDER BY wide.row_id COLLATE "C" LIMIT :'sample'::integer) AS sample
FROM wide;
