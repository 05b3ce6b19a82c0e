-- Drops the views whose oids are in the setting llamactl.leftovers, as an array (catalog/leftovers.sql finds them). A view that no longer
-- exists is skipped: the next session that uses its temporary schema drops it. Lock: none on the user's table.
DO $leftovers$
DECLARE
  leftover pg_catalog.regclass;
BEGIN
  FOR leftover IN
    SELECT c.oid FROM pg_catalog.pg_class AS c
    WHERE c.oid OPERATOR(pg_catalog.=) ANY (
      CASE WHEN pg_catalog.current_setting('llamactl.leftovers', true) OPERATOR(pg_catalog.<>) ''
        THEN pg_catalog.current_setting('llamactl.leftovers', true)::pg_catalog.oid[] END)
  LOOP
    EXECUTE pg_catalog.concat('DROP VIEW ', leftover);
  END LOOP;
END
$leftovers$;
