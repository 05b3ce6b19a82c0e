-- Removes the comment that migrate added to a column that existed before. Lock: SHARE UPDATE EXCLUSIVE.
COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS NULL;
