-- The root column: job_id's type, nullable, a change of the catalogs only. Lock: ACCESS EXCLUSIVE.
\if :{?root_type}
\else
\set root_type 'character varying(100)'
\endif
ALTER TABLE "public"."LlamaLog" ADD COLUMN "root_job_id" :root_type;
