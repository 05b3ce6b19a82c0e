-- Says in the catalog what NULL means, and since when, where the column was there before and has no comment. It does not say that
-- llamactl added the column, so that undo leaves it. Lock: SHARE UPDATE EXCLUSIVE.
DO $comment$
DECLARE
  since text := to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD');
BEGIN
  EXECUTE $statement$COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS $statement$ || quote_literal(
    'The job at the top of this row''s chain of parents (llamactl, since ' || since || '). '
    || 'NULL: origin unknown; the chain is untracked, cyclic or ambiguous, or the row was written without a root.');
END
$comment$;
