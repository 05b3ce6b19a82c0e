-- Drops the empty indexes that were created (create_empty_indexes.sql). Lock: ACCESS EXCLUSIVE.
DO $empty$
DECLARE
  made pg_catalog.regclass;
BEGIN
  FOR made IN
    SELECT c.oid FROM pg_catalog.pg_class AS c
    WHERE c.oid OPERATOR(pg_catalog.=) ANY (
      CASE WHEN pg_catalog.current_setting('llamactl.empty_indexes', true) OPERATOR(pg_catalog.<>) ''
        THEN pg_catalog.current_setting('llamactl.empty_indexes', true)::pg_catalog.oid[] END)
  LOOP
    EXECUTE pg_catalog.concat('DROP INDEX ', made);
  END LOOP;
  PERFORM pg_catalog.set_config('llamactl.empty_indexes', '', false);
END
$empty$;
