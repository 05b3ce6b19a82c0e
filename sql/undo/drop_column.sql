-- Drops the column that migrate added, with its values and its comment; never CASCADE. Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" DROP COLUMN "root_job_id";
