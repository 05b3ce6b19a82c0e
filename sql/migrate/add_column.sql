-- Adds the root column with job_id's type, nullable, which changes only the catalogs. Its comment says what NULL means, and tells undo
-- that llamactl added the column. Lock: ACCESS EXCLUSIVE.
-- Default root_type: 'character varying(100)'
ALTER TABLE "public"."LlamaLog" ADD COLUMN "root_job_id" :root_type;

DO $comment$
BEGIN
  EXECUTE pg_catalog.concat(
    $statement$COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS $statement$,
    pg_catalog.quote_literal(pg_catalog.concat(
      'The job at the top of this row''s chain of parents. NULL: origin unknown; the chain is untracked, cyclic or ambiguous, or ',
      'the row was written without a root. [llamactl:column ',
      pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), ']')));
END
$comment$;
