-- Removes the guard from the table. Lock: ACCESS EXCLUSIVE.
DROP TRIGGER IF EXISTS zz_llamactl_guard ON "public"."LlamaLog";
