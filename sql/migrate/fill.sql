-- Fills the rows that have no root; an existing value is never overwritten. Lock: ROW EXCLUSIVE.
-- Default root_cast: pg_catalog.text
UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(lineage.root AS :root_cast)
FROM pg_temp.lineage
WHERE log."root_job_id" IS NULL
  AND lineage.job OPERATOR(pg_catalog.=) coalesce(
    pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C"), pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C"))
  AND lineage.root IS NOT NULL
  AND (NOT lineage.dangling OR (SELECT fill_dangling FROM pg_temp.setting));
