-- Drops the guard's function; run it after drop_trigger.sql. Lock: none on the user's table.
DROP FUNCTION IF EXISTS llamactl."LlamaLog_guard"();
