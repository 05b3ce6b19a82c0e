-- Refuses new rows whose job is its own parent; rows that are there stay, but their next UPDATE fails. Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_job_id_not_parent_check"
  CHECK ("job_id"::text COLLATE "C" <> "parent_job_id"::text COLLATE "C") NOT VALID;
