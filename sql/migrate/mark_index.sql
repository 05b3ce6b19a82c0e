-- Marks the index as llamactl's, for undo. Lock: none on the table, SHARE UPDATE EXCLUSIVE on the index.
COMMENT ON INDEX "public"."LlamaLog_root_job_id_idx" IS 'Made by llamactl. [llamactl:index]';
