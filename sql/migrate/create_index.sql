-- Serves the query "all rows of a root"; named as Prisma would name it. Built after the column is filled. Lock: SHARE.
CREATE INDEX "LlamaLog_root_job_id_idx" ON "public"."LlamaLog" ("root_job_id");
