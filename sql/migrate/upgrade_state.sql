-- Gives the tables that 0.1 made what today's have; does nothing where that is done. Runs of 0.1 get the oid of the table that has
-- their table's name now; 0 where there is none. Needs the rights of their owner. Lock: none on the user's table.
DO $upgrade$
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'llamactl' AND c.relname = 'run'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'table_oid')
  ) THEN
    ALTER TABLE llamactl.run
      ADD COLUMN IF NOT EXISTS table_oid oid,
      ADD COLUMN IF NOT EXISTS recorded_in oid;
    UPDATE llamactl.run
    SET recorded_in = run.tableoid,
        table_oid = coalesce(
          (SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname::text = run.table_schema AND c.relname::text = run.table_name),
          0)
    WHERE recorded_in IS NULL;
  END IF;
END
$upgrade$;
