-- What the log contains about a job.
-- Parameters: job, parent and root (the job, in the types of job_id, parent_job_id and root_job_id; NULL if it does not fit the
--   type, or the column is not to be searched), own (search its own rows even if some row stores it as its root),
--   trust_root_flag.
-- Returns one row: is_root (some row stores it as its root), row_count (its own rows), root_lo and root_hi (the smallest
--   and largest root that these store), is_child (one of them has a parent), is_parent (it has no row of its own, but
--   it is the parent of some row).
-- Lock: ACCESS SHARE.
-- The bare comparisons can use an index; the additional ones exclude ids that only compare as equal in the column's type.
-- Default job: ''
-- Default parent: ''
-- Default root: ''
-- Default own: true
-- Default trust_root_flag: true
SELECT named.is_root, own_rows.row_count, own_rows.root_lo, own_rows.root_hi, own_rows.is_child, below.is_parent
FROM (
  SELECT EXISTS (
    SELECT FROM "public"."LlamaLog" AS log WHERE "root_job_id" = :'root' AND "root_job_id"::text COLLATE "C" = :'root'::text
  ) AS is_root
  FROM (SELECT NULL::text AS "root_job_id") AS absent
) AS named
CROSS JOIN LATERAL (
  SELECT count(*) AS row_count, min(own_row.root) AS root_lo, max(own_row.root) AS root_hi,
         coalesce(bool_or(own_row.named_parent), false) AS is_child
  FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id") AS absent
  CROSS JOIN LATERAL (
    SELECT "root_job_id"::text COLLATE "C" AS root,
           NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE)
             AND btrim(coalesce(log."parent_job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '' AS named_parent
    FROM "public"."LlamaLog" AS log
    WHERE log."job_id" = :'job' AND log."job_id"::text COLLATE "C" = :'job'::text AND (:'own'::boolean OR NOT named.is_root)
  ) AS own_row
) AS own_rows
CROSS JOIN LATERAL (
  SELECT CASE WHEN named.is_root OR own_rows.row_count > 0 THEN false ELSE EXISTS (
    SELECT FROM "public"."LlamaLog" AS log
    WHERE log."parent_job_id" = :'parent' AND log."parent_job_id"::text COLLATE "C" = :'parent'::text
      AND NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE
               AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '')
  ) END AS is_parent
  FROM (SELECT NULL::boolean AS "is_root_job") AS absent
) AS below;
