-- A backfill in the usual style: roots first, then the children by a recursive query that carries each row upwards.
ALTER TABLE "LlamaLog" ADD COLUMN "root_job_id" VARCHAR(100);
UPDATE "LlamaLog" SET "root_job_id" = "job_id" WHERE "parent_job_id" IS NULL AND "job_id" IS NOT NULL;
WITH RECURSIVE chain AS (
  SELECT "id", "parent_job_id" AS candidate, 1 AS depth FROM "LlamaLog" WHERE "parent_job_id" IS NOT NULL
  UNION ALL
  SELECT chain."id", above."parent_job_id", chain.depth + 1
  FROM chain
  JOIN "LlamaLog" AS above ON above."job_id" = chain.candidate
  WHERE above."parent_job_id" IS NOT NULL AND chain.depth < 10
), topmost AS (
  SELECT DISTINCT ON ("id") "id", candidate FROM chain ORDER BY "id", depth DESC
)
UPDATE "LlamaLog" AS log SET "root_job_id" = topmost.candidate FROM topmost WHERE topmost."id" = log."id";
CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" ("root_job_id");
