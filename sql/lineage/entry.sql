-- The one door in: the user's columns under our names, one row a row of the log. Every other lineage file names only ours.
--   row_id              the primary key, as text
--   job, parent         present ids; parent is NULL where the root flag disregards it
--   disregarded_parent  the parent that the flag disregards
--   root                what the root column holds; NULL where there is no such column
--   created_epoch       seconds; NULL where there is no such column
--   blank               job_id or parent_job_id is a string of white space only
--   self_parent         the row would violate the self-parent CHECK once disregarded parents are cleared
-- A column that the user may not have is found by scoping: inside the LATERAL an unqualified name is the table's where
-- the table has it, else that of `absent`.
-- Lock: ACCESS SHARE, and so for those who read it. A temporary view on the root column must be gone before the table is altered.
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
