-- The guard: fires only where a row comes without a root, or its job is its own parent. Its name sorts last, so that it sees what
-- other triggers set. One under the other setting of the root flag is replaced. Lock: SHARE ROW EXCLUSIVE.
CREATE OR REPLACE TRIGGER zz_llamactl_guard BEFORE INSERT OR UPDATE ON "public"."LlamaLog"
  FOR EACH ROW
  WHEN (NEW."root_job_id" IS NULL OR NEW."job_id"::text COLLATE "C" = NEW."parent_job_id"::text COLLATE "C")
  EXECUTE FUNCTION llamactl."LlamaLog_guard"('true');
