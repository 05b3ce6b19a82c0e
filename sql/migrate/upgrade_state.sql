-- Makes the table of runs that 0.1 made into today's; does nothing where that is done. Runs of 0.1 get the oid of the table that has
-- their table's name now; 0 where there is none. Needs the rights of its owner. Lock: none on the user's table.
DO $upgrade$
DECLARE
  columns CONSTANT name[] := ARRAY(
    SELECT a.attname
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'llamactl' AND c.relname = 'run' AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
  IF NOT 'table_oid' = ANY (columns) THEN
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
  -- Nothing reads these.
  IF columns && ARRAY['client', 'relfilenode', 'page', 'seen_at']::name[] THEN
    ALTER TABLE llamactl.run
      DROP COLUMN IF EXISTS client,
      DROP COLUMN IF EXISTS relfilenode,
      DROP COLUMN IF EXISTS page,
      DROP COLUMN IF EXISTS seen_at;
  END IF;
END
$upgrade$;
