-- Upgrades the table of runs that 0.1 created; does nothing if it is up to date. Runs of 0.1 get the oid of the table that has their
-- table's name now; 0 if there is none. Needs the privileges of its owner. Lock: none on the user's table.
DO $upgrade$
DECLARE
  columns CONSTANT pg_catalog.name[] := ARRAY(
    SELECT a.attname
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) 'llamactl.run'::pg_catalog.regclass AND a.attnum OPERATOR(pg_catalog.>) 0
      AND NOT a.attisdropped);
BEGIN
  IF NOT 'table_oid' OPERATOR(pg_catalog.=) ANY (columns) THEN
    ALTER TABLE llamactl.run
      ADD COLUMN IF NOT EXISTS table_oid pg_catalog.oid,
      ADD COLUMN IF NOT EXISTS recorded_in pg_catalog.oid;
    UPDATE llamactl.run
    SET recorded_in = run.tableoid,
        table_oid = coalesce(
          (SELECT c.oid
           FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
           WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) run.table_schema
             AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) run.table_name),
          0)
    WHERE recorded_in IS NULL;
  END IF;
  -- No longer read.
  IF columns OPERATOR(pg_catalog.&&) ARRAY['client', 'relfilenode', 'page', 'seen_at']::pg_catalog.name[] THEN
    ALTER TABLE llamactl.run
      DROP COLUMN IF EXISTS client,
      DROP COLUMN IF EXISTS relfilenode,
      DROP COLUMN IF EXISTS page,
      DROP COLUMN IF EXISTS seen_at;
  END IF;
END
$upgrade$;
