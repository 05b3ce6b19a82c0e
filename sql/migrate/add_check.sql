-- Refuses rows whose job is its own parent. Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_job_id_not_parent_check"
  CHECK ("job_id"::text COLLATE "C" <> "parent_job_id"::text COLLATE "C");
