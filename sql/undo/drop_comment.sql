-- The comment that migrate gave to a column that was there before. Lock: SHARE UPDATE EXCLUSIVE.
COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS NULL;
