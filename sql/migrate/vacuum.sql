-- After a rewrite, whose commit no autovacuum follows: sets the visibility map. Outside a transaction. Lock: SHARE UPDATE EXCLUSIVE.
VACUUM "public"."LlamaLog";
