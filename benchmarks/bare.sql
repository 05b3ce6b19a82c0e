-- What the server needs to write a column of every row and index it: the measure of the others. The roots are wrong.
ALTER TABLE "LlamaLog" ADD COLUMN "root_job_id" VARCHAR(100);
UPDATE "LlamaLog" SET "root_job_id" = "job_id";
CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" ("root_job_id");
