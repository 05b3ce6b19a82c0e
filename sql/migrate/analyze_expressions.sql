-- Collects statistics on the table with the expressions of its indexes, which ANALYZE with a list of columns leaves out.
-- Lock: SHARE UPDATE EXCLUSIVE.
ANALYZE "public"."LlamaLog";
