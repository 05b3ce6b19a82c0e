-- The column that migrate added, and with it the views of catalog/leftovers.sql, which a role without the rights on their temporary
-- schema cannot drop by name. CASCADE can reach nothing else: under the lock it was seen that nothing else depends on the column.
-- Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" DROP COLUMN "root_job_id" CASCADE;
