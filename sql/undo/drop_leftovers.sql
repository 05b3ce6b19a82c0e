-- Drops the views that the setting llamactl.leftovers lists by their oids, as an array (catalog/leftovers.sql finds them). One that is
-- gone by now is passed over: the next session that uses its temporary schema clears that. Lock: none on the user's table.
DO $leftovers$
DECLARE
  leftover regclass;
BEGIN
  FOR leftover IN
    SELECT c.oid FROM pg_catalog.pg_class AS c
    WHERE c.oid = ANY (nullif(current_setting('llamactl.leftovers', true), '')::oid[])
  LOOP
    EXECUTE 'DROP VIEW ' || leftover::text;
  END LOOP;
END
$leftovers$;
