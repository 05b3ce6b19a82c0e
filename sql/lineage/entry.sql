-- The only query that maps the user's columns to llamactl's names, one row per row of the log. All other lineage files use these names.
-- Files read it as `FROM :entry AS entry`: this SELECT replaces :entry. It is not a view, since a view would depend on the user's
-- columns, and a server crash would leave it in the catalogs, where nobody could then drop the columns or the table.
-- Returns:
--   row_id              the primary key, as text
--   job, parent         ids that are present; parent is NULL if it is ignored because of the root flag
--   disregarded_parent  the parent that is ignored because of the root flag
--   root                the value of the root column; NULL if there is no such column
--   created_epoch       seconds; NULL if there is no such column
--   blank               job_id or parent_job_id consists of white space only
--   self_parent         the row would violate the self-parent CHECK once ignored parents are cleared
-- Columns that may not exist are resolved by scoping: inside the LATERAL an unqualified name is the table's column if the table has it,
-- else that of `absent`. Beside `absent`, llamactl's own names are qualified, since the user's table may have a column of that name.
-- Lock: ACCESS SHARE. Run it after create.sql.
SELECT flagged_log.row_id,
       flagged_log.job,
       CASE WHEN NOT flagged_log.disregarded THEN flagged_log.parent END AS parent,
       CASE WHEN flagged_log.disregarded THEN flagged_log.parent END AS disregarded_parent,
       flagged_log.root,
       flagged_log.created_epoch,
       flagged_log.blank,
       flagged_log.same_id AND NOT flagged_log.disregarded AS self_parent
FROM (
  SELECT present_log.row_id, present_log.job, present_log.parent, present_log.root, present_log.created_epoch, present_log.blank,
         present_log.same_id,
         present_log.flagged AND present_log.job IS NOT NULL AND present_log.parent IS NOT NULL
           AND (SELECT setting.trust_root_flag FROM pg_temp.setting) AS disregarded
  FROM (SELECT NULL::boolean AS "is_root_job", NULL::pg_catalog.text AS "root_job_id", NULL::pg_catalog.timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT log."id"::pg_catalog.text AS row_id,
           pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C") AS job,
           pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") AS parent,
           "root_job_id"::pg_catalog.text COLLATE pg_catalog."C" AS root,
           extract(epoch FROM "created_at") AS created_epoch,
           "is_root_job" IS TRUE AS flagged,
           log."job_id" IS NOT NULL AND pg_temp.present(log."job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NULL
             OR log."parent_job_id" IS NOT NULL
               AND pg_temp.present(log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") IS NULL AS blank,
           (log."job_id"::pg_catalog.text COLLATE pg_catalog."C"
             OPERATOR(pg_catalog.=) log."parent_job_id"::pg_catalog.text COLLATE pg_catalog."C") IS TRUE AS same_id
    FROM "public"."LlamaLog" AS log
    OFFSET 0  -- a fence: otherwise each use of a column above would compute it again
  ) AS present_log
) AS flagged_log
OFFSET 0;
