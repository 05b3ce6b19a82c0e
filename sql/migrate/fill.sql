-- Fills the rows that have no root; an existing value is never overwritten. Parents that are ignored were cleared before.
-- A row without a parent is its own root: since no id is blank, such a row is joined with the key ''. The few jobs whose rows disagree on
-- the parent have a statement of their own. Lock: ROW EXCLUSIVE.
-- Default root_cast: pg_catalog.text
UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(coalesce(above.root, log."job_id"::pg_catalog.text COLLATE pg_catalog."C") AS :root_cast)
FROM (
  SELECT lineage.job, lineage.root
  FROM pg_temp.lineage
  WHERE lineage.root IS NOT NULL
  UNION ALL
  SELECT '', NULL
) AS above
WHERE log."root_job_id" IS NULL
  AND above.job OPERATOR(pg_catalog.=) CASE
    WHEN pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NOT NULL
      THEN log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C"
    WHEN pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NOT NULL THEN '' END
  AND NOT EXISTS (
    SELECT FROM pg_temp.cut WHERE cut.job OPERATOR(pg_catalog.=) log."job_id"::pg_catalog.text COLLATE pg_catalog."C");

UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(cut.root AS :root_cast)
FROM pg_temp.cut
WHERE log."root_job_id" IS NULL
  AND cut.job OPERATOR(pg_catalog.=) log."job_id"::pg_catalog.text COLLATE pg_catalog."C"
  AND cut.root IS NOT NULL;
