-- Restores the parents that were cleared, for each row the newest, if the row still has none. It fires the user's triggers.
-- Run it after match_parents.sql, in its transaction. Lock: ROW EXCLUSIVE.
-- Default parent_cast: pg_catalog.text
UPDATE "public"."LlamaLog" AS log
SET "parent_job_id" = CAST(matched.parent AS :parent_cast)
FROM pg_temp.matched
WHERE log.ctid OPERATOR(pg_catalog.=) matched.place AND matched.outcome OPERATOR(pg_catalog.=) 'restored'
  AND log."parent_job_id" IS NULL;
