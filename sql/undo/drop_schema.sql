-- Drops the schema llamactl, if nothing remains in it. Lock: none.
DROP SCHEMA llamactl;
