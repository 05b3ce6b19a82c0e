-- Drops the column that migrate added, and with it the views of catalog/leftovers.sql, which a role without privileges on their temporary
-- schema cannot drop by name. CASCADE drops nothing else: under the lock it was checked that nothing else depends on the column.
-- Lock: ACCESS EXCLUSIVE.
ALTER TABLE "public"."LlamaLog" DROP COLUMN "root_job_id" CASCADE;
