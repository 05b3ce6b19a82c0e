-- Upgrades the table of cleared parents that 0.1 created; does nothing if it is up to date. Needs the privileges of its owner.
-- Lock: none on the user's table.
DO $upgrade$
BEGIN
  IF NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) 'llamactl.cleared_parent'::pg_catalog.regclass
      AND a.attname OPERATOR(pg_catalog.=) 'job_id'
  ) THEN
    ALTER TABLE llamactl.cleared_parent
      DROP CONSTRAINT IF EXISTS cleared_parent_pkey,  -- too narrow for a long key
      ADD COLUMN IF NOT EXISTS id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      ADD COLUMN IF NOT EXISTS table_oid pg_catalog.oid,
      ADD COLUMN IF NOT EXISTS key_column pg_catalog.text,
      ADD COLUMN IF NOT EXISTS key_type pg_catalog.text,
      ADD COLUMN IF NOT EXISTS job_id pg_catalog.text;
  END IF;
END
$upgrade$;
