-- The rows of some trees: those that store one of the roots, and those of the jobs.
-- Parameters: roots (an array, in root_job_id's type), jobs (an array of job ids, in job_id's type), parents (the same ids, in
--   parent_job_id's type: for the rows without a job id below them), trust_root_flag.
-- Returns one row per row of the log, oldest first: job and parent (NULL if missing; parent also if ignored because of the
--   root flag), root (as stored), id, operation, category, status, entity_type, entity_id,
--   duration_ms, error_message, created_at (ISO 8601), all text. May include ids that only compare as equal in the column's
--   type.
-- Lock: ACCESS SHARE.
-- Default roots: '{}'
-- Default jobs: '{}'
-- Default parents: '{}'
-- Default trust_root_flag: true
SELECT entry.job,
       CASE WHEN NOT (:'trust_root_flag'::boolean AND entry.flagged AND entry.job IS NOT NULL) THEN entry.parent END AS parent,
       entry.root, entry.id, entry.operation, entry.category, entry.status, entry.entity_type, entry.entity_id,
       entry.duration_ms, entry.error_message, to_json(entry.created) #>> '{}' AS created_at
FROM (
  SELECT NULL::text AS "operation", NULL::text AS "category", NULL::text AS "status", NULL::text AS "entity_type",
         NULL::text AS "entity_id", NULL::text AS "duration_ms", NULL::text AS "error_message",
         NULL::timestamptz AS "created_at", NULL::boolean AS "is_root_job", NULL::text AS "root_job_id"
) AS absent
CROSS JOIN LATERAL (
  SELECT CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text COLLATE "C" END AS job,
         CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
              THEN log."parent_job_id"::text COLLATE "C" END AS parent,
         "root_job_id"::text COLLATE "C" AS root,
         log."id"::text AS id,
         "operation"::text AS operation,
         "category"::text AS category,
         "status"::text AS status,
         "entity_type"::text AS entity_type,
         "entity_id"::text AS entity_id,
         "duration_ms"::text AS duration_ms,
         "error_message"::text AS error_message,
         "created_at" AS created,
         "is_root_job" IS TRUE AS flagged
  FROM (
    SELECT log.* FROM "public"."LlamaLog" AS log WHERE "root_job_id" = ANY (:'roots')
    UNION ALL
    SELECT log.*
    FROM "public"."LlamaLog" AS log
    WHERE (log."job_id" = ANY (:'jobs')
           OR log."parent_job_id" = ANY (:'parents') AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') = '')
      AND ("root_job_id" = ANY (:'roots')) IS NOT TRUE
      -- Without ids this branch must not cause a scan.
      AND cardinality(:'jobs'::text[]) + cardinality(:'parents'::text[]) > 0
  ) AS log
) AS entry
ORDER BY entry.created NULLS LAST, parent NULLS FIRST, entry.job, entry.id COLLATE "C";
