-- The index for the guard's lookups. With both columns, a job's first and last parent take one probe each, however many rows the job
-- has. Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
CREATE INDEX CONCURRENTLY "LlamaLog_job_id_parent_job_id_idx" ON "public"."LlamaLog" ("job_id", "parent_job_id");
