-- Makes the table of cleared parents that 0.1 made into today's; does nothing where that is done. Needs the rights of its owner.
-- Lock: none on the user's table.
DO $upgrade$
BEGIN
  IF NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'llamactl' AND c.relname = 'cleared_parent' AND a.attname = 'job_id'
  ) THEN
    ALTER TABLE llamactl.cleared_parent
      DROP CONSTRAINT IF EXISTS cleared_parent_pkey,  -- too narrow for a long key
      ADD COLUMN IF NOT EXISTS id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      ADD COLUMN IF NOT EXISTS table_oid oid,
      ADD COLUMN IF NOT EXISTS key_column text,
      ADD COLUMN IF NOT EXISTS key_type text,
      ADD COLUMN IF NOT EXISTS job_id text;
  END IF;
END
$upgrade$;
