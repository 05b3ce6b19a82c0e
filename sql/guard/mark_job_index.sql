-- Tells undo, and the guard's removal, whose index it is. Lock: none on the user's table; its index SHARE UPDATE EXCLUSIVE.
COMMENT ON INDEX "public"."LlamaLog_job_id_parent_job_id_idx" IS 'Made by llamactl, for its guard. [llamactl:job-index]';
