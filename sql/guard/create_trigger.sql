-- The guard: fires only where a row comes without a root, or its job is its own parent. Its name sorts last, so that it sees what
-- other triggers set. One under the other setting of the root flag is replaced.
-- Parameter: trust_root_flag (false where the flag disregards no parent, or there is no such column). Lock: SHARE ROW EXCLUSIVE.
-- Default trust_root_flag: true
CREATE OR REPLACE TRIGGER zz_llamactl_guard BEFORE INSERT OR UPDATE ON "public"."LlamaLog"
  FOR EACH ROW
  WHEN (NEW."root_job_id" IS NULL
    OR NEW."job_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) NEW."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C")
  EXECUTE FUNCTION llamactl."LlamaLog_guard"(:'trust_root_flag');
