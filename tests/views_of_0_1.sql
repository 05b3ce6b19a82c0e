-- What a session of version 0.1 read the log through, as it made it, but for ON COMMIT DROP.
CREATE TEMPORARY TABLE setting (trust_root_flag boolean NOT NULL, fill_dangling boolean NOT NULL);
CREATE FUNCTION pg_temp.present(id text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN id COLLATE "C" >= '!' OR pg_catalog.btrim(id, E' \t\n\r\f\x0b') <> '' THEN id COLLATE "C" END
$$;

CREATE TEMPORARY VIEW entry AS
SELECT row_id,
       job,
       CASE WHEN NOT disregarded THEN parent END AS parent,
       CASE WHEN disregarded THEN parent END AS disregarded_parent,
       root,
       created_epoch,
       blank,
       same_id AND NOT disregarded AS self_parent
FROM (
  SELECT row_id, job, parent, root, created_epoch, blank, same_id,
         flagged AND job IS NOT NULL AND parent IS NOT NULL
           AND (SELECT trust_root_flag FROM pg_temp.setting) AS disregarded
  FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT log."id"::text AS row_id,
           pg_temp.present(log."job_id"::text COLLATE "C") AS job,
           pg_temp.present(log."parent_job_id"::text COLLATE "C") AS parent,
           "root_job_id"::text COLLATE "C" AS root,
           extract(epoch FROM "created_at") AS created_epoch,
           "is_root_job" IS TRUE AS flagged,
           log."job_id" IS NOT NULL AND pg_temp.present(log."job_id"::text COLLATE "C") IS NULL
             OR log."parent_job_id" IS NOT NULL AND pg_temp.present(log."parent_job_id"::text COLLATE "C") IS NULL AS blank,
           (log."job_id"::text COLLATE "C" = log."parent_job_id"::text COLLATE "C") IS TRUE AS same_id
    FROM "public"."LlamaLog" AS log
    OFFSET 0  -- a fence: else each use of a column above would work it out again
  ) AS present_log
) AS flagged_log;

CREATE TEMPORARY VIEW target AS
SELECT present_log.place, present_log.job, present_log.parent, present_log.root, present_log.flagged, present_log.created_epoch
FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
CROSS JOIN LATERAL (
  SELECT log.ctid AS place,
         pg_temp.present(log."job_id"::text COLLATE "C") AS job,
         pg_temp.present(log."parent_job_id"::text COLLATE "C") AS parent,
         "root_job_id"::text COLLATE "C" AS root,
         "is_root_job" IS TRUE AS flagged,
         extract(epoch FROM "created_at") AS created_epoch
  FROM "public"."LlamaLog" AS log
) AS present_log;
