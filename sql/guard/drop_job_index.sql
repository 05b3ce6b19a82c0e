-- Drops the guard's index, once the guard is removed. Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
DROP INDEX CONCURRENTLY IF EXISTS "public"."LlamaLog_job_id_parent_job_id_idx";
