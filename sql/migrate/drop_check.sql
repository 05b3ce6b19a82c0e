-- Drops the self-parent CHECK. Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" DROP CONSTRAINT "LlamaLog_job_id_not_parent_check";
