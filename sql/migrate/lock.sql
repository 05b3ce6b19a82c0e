-- Blocks all other sessions until the transaction ends. It is the transaction's first lock on the table: upgrading from a weaker lock
-- would deadlock with an application that has read the table and then writes to it. Lock: ACCESS EXCLUSIVE.
LOCK TABLE "public"."LlamaLog" IN ACCESS EXCLUSIVE MODE;
