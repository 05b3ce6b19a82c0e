-- An index on the root column would be maintained for each row that is filled, and prevent HOT updates.
-- Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
DROP INDEX CONCURRENTLY IF EXISTS "public"."LlamaLog_root_job_id_idx";
