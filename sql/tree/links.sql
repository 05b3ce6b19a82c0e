-- The roots that the rows of some trees store: of the rows that store one of the roots, and of the rows of the jobs.
-- Parameters: those of rows.sql, which reads the same rows whole.
-- Returns one row per row of the log, in any order: job and parent (NULL if missing; parent also if ignored because of the
--   root flag), root (as stored), all text. May include ids that only compare as equal in the column's type.
-- Lock: ACCESS SHARE.
-- Default roots: '{}'
-- Default jobs: '{}'
-- Default parents: '{}'
-- Default trust_root_flag: true
SELECT entry.job,
       CASE WHEN NOT (:'trust_root_flag'::boolean AND entry.flagged AND entry.job IS NOT NULL) THEN entry.parent END AS parent,
       entry.root
FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id") AS absent
CROSS JOIN LATERAL (
  SELECT CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text END AS job,
         CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."parent_job_id"::text END AS parent,
         "root_job_id"::text AS root,
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
) AS entry;
