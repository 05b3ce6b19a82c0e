-- Collects statistics on the root column. Lock: SHARE UPDATE EXCLUSIVE.
ANALYZE "public"."LlamaLog" ("root_job_id");
