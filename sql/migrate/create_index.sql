-- Serves "all rows of a root"; named as Prisma would. Built after the fill. Lock: SHARE.
CREATE INDEX "LlamaLog_root_job_id_idx" ON "public"."LlamaLog" ("root_job_id");
