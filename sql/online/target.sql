-- The log as the batches write to it: the place of each row, and its values by entry.sql. Files read it as `FROM :target AS target`, for
-- the reason given in entry.sql. It is a separate SELECT, since a role with privileges on only some columns may not read a row's place.
-- Returns: place, version (its xmin), row_id (the key, as text), job, parent, root, flagged, created_epoch. Lock: ACCESS SHARE.
SELECT present_log.place, present_log.version, present_log.row_id, present_log.job, present_log.parent, present_log.root, present_log.flagged, present_log.created_epoch
FROM (SELECT NULL::boolean AS "is_root_job", NULL::pg_catalog.text AS "root_job_id", NULL::pg_catalog.timestamptz AS "created_at") AS absent
CROSS JOIN LATERAL (
  SELECT log.ctid AS place,
         log.xmin AS version,
         log."id"::pg_catalog.text AS row_id,
         pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C") AS job,
         pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") AS parent,
         "root_job_id"::pg_catalog.text COLLATE pg_catalog."C" AS root,
         "is_root_job" IS TRUE AS flagged,
         extract(epoch FROM "created_at") AS created_epoch
  FROM "public"."LlamaLog" AS log
) AS present_log;
