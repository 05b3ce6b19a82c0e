-- The guard's function; comes after its trigger. Lock: none on the user's table.
DROP FUNCTION IF EXISTS llamactl."LlamaLog_guard"();
