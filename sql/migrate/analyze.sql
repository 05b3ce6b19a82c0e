-- Collects statistics on the new column. Lock: SHARE UPDATE EXCLUSIVE.
ANALYZE "public"."LlamaLog";
