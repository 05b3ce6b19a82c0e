-- Drops the guard's index, inside the transaction. Lock: ACCESS EXCLUSIVE.
DROP INDEX "public"."LlamaLog_job_id_parent_job_id_idx";
