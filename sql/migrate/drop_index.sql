-- An index on the root column would be maintained for each row that is filled; it is rebuilt afterwards. Lock: ACCESS EXCLUSIVE.
DROP INDEX "public"."LlamaLog_root_job_id_idx";
