-- Marks the index as llamactl's, for undo and for the removal of the guard. Lock: none on the table; SHARE UPDATE EXCLUSIVE on the index.
COMMENT ON INDEX "public"."LlamaLog_job_id_parent_job_id_idx" IS 'Made by llamactl for its guard. [llamactl:job-index]';
