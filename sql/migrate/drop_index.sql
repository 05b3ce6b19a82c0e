-- An index on the root column would be maintained at each row that is filled; it is built anew afterwards. Lock: ACCESS EXCLUSIVE.
DROP INDEX "public"."LlamaLog_root_job_id_idx";
