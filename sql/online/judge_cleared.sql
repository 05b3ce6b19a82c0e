-- Records the rows in pg_temp.clearing as tried, and keeps in it those that have no parent now, looked up by their keys: this includes
-- whatever triggers have done. No other session can have changed these rows, which the transaction has locked. Returns nothing.
-- Run it after clear_parents.sql and migrate/settle_constraints.sql. Lock: ACCESS SHARE.
-- Default id_cast: uuid
INSERT INTO pg_temp.tried (task, row_id)
SELECT 'clear', clearing.row_id FROM pg_temp.clearing;

DELETE FROM pg_temp.clearing
WHERE NOT EXISTS (
  SELECT FROM "public"."LlamaLog" AS log
  WHERE CAST(log."id" AS :id_cast) = CAST(clearing.row_id AS :id_cast)
    AND pg_temp.present(log."parent_job_id"::text COLLATE "C") IS NULL);
