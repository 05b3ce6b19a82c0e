-- The root flag takes precedence: the parent of a row with the flag becomes NULL. Lock: ROW EXCLUSIVE.
UPDATE "public"."LlamaLog" AS log
SET "parent_job_id" = NULL
WHERE log."is_root_job" AND pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NOT NULL
  AND pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NOT NULL;
