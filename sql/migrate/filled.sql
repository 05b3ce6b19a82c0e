-- How many rows hold a root. Returns: filled. Lock: ACCESS SHARE.
SELECT count("root_job_id") AS filled FROM "public"."LlamaLog";
