-- Documents what NULL means, and since when, for a column that existed before and has no comment. The comment does not say that
-- llamactl added the column, so that undo keeps it. Lock: SHARE UPDATE EXCLUSIVE.
DO $comment$
BEGIN
  EXECUTE pg_catalog.concat(
    $statement$COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS $statement$,
    pg_catalog.quote_literal(pg_catalog.concat(
      'The job at the top of this row''s chain of parents. NULL: origin unknown; the chain is untracked, cyclic or ambiguous, or ',
      'the row was written without a root. [llamactl:comment ',
      pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), ']')));
END
$comment$;
