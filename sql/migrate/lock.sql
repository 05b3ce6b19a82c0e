-- Keeps everybody else out until the transaction ends. It is the transaction's first lock on the table: an upgrade from a
-- weaker one deadlocks with an application that has read the table and then writes to it. Lock: ACCESS EXCLUSIVE.
LOCK TABLE "public"."LlamaLog" IN ACCESS EXCLUSIVE MODE;
