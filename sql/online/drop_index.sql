-- An index on the root column would be maintained at each row that is filled, and keep updates from being made in place.
-- Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
DROP INDEX CONCURRENTLY IF EXISTS "public"."LlamaLog_root_job_id_idx";
