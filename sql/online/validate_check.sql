-- Validates the CHECK, which reads all rows. Lock: SHARE UPDATE EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" VALIDATE CONSTRAINT "LlamaLog_job_id_not_parent_check";
