-- Serves the query "all rows of a root"; named as Prisma would name it. Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
CREATE INDEX CONCURRENTLY "LlamaLog_root_job_id_idx" ON "public"."LlamaLog" ("root_job_id");
