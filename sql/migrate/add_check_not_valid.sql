-- Rejects new rows whose job is its own parent. Existing rows stay, but their next UPDATE fails.
-- Its comment marks it as llamactl's, for undo. Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_job_id_not_parent_check"
  CHECK ("job_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.<>) "parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") NOT VALID;

COMMENT ON CONSTRAINT "LlamaLog_job_id_not_parent_check" ON "public"."LlamaLog" IS 'Made by llamactl. [llamactl:check]';
