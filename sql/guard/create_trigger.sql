-- The guard: it fires only for a row without a root, or whose job is its own parent. Its name sorts last, so that it sees what other
-- triggers set. A trigger with the other setting of the root flag is replaced.
-- Parameter: trust_root_flag (false if the flag is not to be trusted, or there is no such column). Lock: SHARE ROW EXCLUSIVE.
-- Default trust_root_flag: true
CREATE OR REPLACE TRIGGER zz_llamactl_guard BEFORE INSERT OR UPDATE ON "public"."LlamaLog"
  FOR EACH ROW
  WHEN (NEW."root_job_id" IS NULL
    OR NEW."job_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) NEW."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C")
  EXECUTE FUNCTION llamactl."LlamaLog_guard"(:'trust_root_flag');
