-- The guard where the root flag disregards no parent: under --no-trust-root-flag, or where there is no such column. Else as
-- create_trigger.sql. Lock: SHARE ROW EXCLUSIVE.
CREATE OR REPLACE TRIGGER zz_llamactl_guard BEFORE INSERT OR UPDATE ON "public"."LlamaLog"
  FOR EACH ROW
  WHEN (NEW."root_job_id" IS NULL OR NEW."job_id"::text COLLATE "C" = NEW."parent_job_id"::text COLLATE "C")
  EXECUTE FUNCTION llamactl."LlamaLog_guard"('false');
