-- Reads all rows to see that none breaks the CHECK. Lock: SHARE UPDATE EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" VALIDATE CONSTRAINT "LlamaLog_job_id_not_parent_check";
