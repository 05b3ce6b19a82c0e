-- The root column: job_id's type, nullable, a change of the catalogs only; and its comment, which says what NULL means, and tells
-- undo that it was llamactl that added the column. Lock: ACCESS EXCLUSIVE.
\if :{?root_type}
\else
\set root_type 'character varying(100)'
\endif
ALTER TABLE "public"."LlamaLog" ADD COLUMN "root_job_id" :root_type;

DO $comment$
DECLARE
  added text := to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD');
BEGIN
  EXECUTE $statement$COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS $statement$ || quote_literal(
    'The job at the top of this row''s chain of parents (added by llamactl on ' || added || '). '
    || 'NULL: origin unknown; the chain is untracked, cyclic or ambiguous, or the row was written without a root.');
END
$comment$;
