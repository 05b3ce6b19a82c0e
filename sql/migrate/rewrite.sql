-- Fills the column by writing the table anew, in its own type; a value that is there is never overwritten. A plain text
-- expression, so that an id too long raises (a cast would cut it). Lock: ACCESS EXCLUSIVE.
\if :{?root_type}
\else
\set root_type 'character varying(100)'
\endif
\if :{?root_cast}
\else
\set root_cast text
\endif
ALTER TABLE "public"."LlamaLog" ALTER COLUMN "root_job_id" TYPE :root_type
  USING coalesce(
    CAST("root_job_id" AS :root_cast),
    CAST(pg_temp.root_of(pg_temp.present("job_id"::text COLLATE "C"), pg_temp.present("parent_job_id"::text COLLATE "C")) AS :root_cast));
