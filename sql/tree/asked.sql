-- What the log knows of the job that was asked for.
-- Parameters: job and parent (the job, as job_id and parent_job_id may hold it; NULL where the type cannot),
--   root (the job; NULL: do not look for it in the root column), trust_root_flag.
-- Returns one row: is_root (some row holds it as its root; the rest is then not looked at), row_count (its own rows),
--   unfilled (those of them without a root), root_lo and root_hi (the smallest and largest root that the others hold),
--   is_child (some row of its own names a parent), is_parent (no row of its own, but some row names it as its parent).
-- Lock: ACCESS SHARE.
\if :{?job}
\else
\set job ''
\endif
\if :{?parent}
\else
\set parent ''
\endif
\if :{?root}
\else
\set root ''
\endif
\if :{?trust_root_flag}
\else
\set trust_root_flag true
\endif
SELECT named.is_root, own.row_count, own.unfilled, own.root_lo, own.root_hi, own.is_child,
       below.is_parent
FROM (
  SELECT EXISTS (SELECT FROM "public"."LlamaLog" AS log WHERE "root_job_id" = :'root') AS is_root
  FROM (SELECT NULL::text AS "root_job_id") AS absent
) AS named
CROSS JOIN LATERAL (
  SELECT count(*) AS row_count, count(*) - count(own_row.root) AS unfilled, min(own_row.root) AS root_lo,
         max(own_row.root) AS root_hi, coalesce(bool_or(own_row.named_parent), false) AS is_child
  FROM (SELECT NULL::boolean AS "is_root_job", NULL::text AS "root_job_id") AS absent
  CROSS JOIN LATERAL (
    -- The bare comparison can use an index; the second tells what the column's type takes for equal.
    SELECT "root_job_id"::text COLLATE "C" AS root,
           NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE)
             AND btrim(coalesce(log."parent_job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '' AS named_parent
    FROM "public"."LlamaLog" AS log
    WHERE log."job_id" = :'job' AND log."job_id"::text COLLATE "C" = :'job'::text AND NOT named.is_root
  ) AS own_row
) AS own
CROSS JOIN LATERAL (
  SELECT CASE WHEN named.is_root OR own.row_count > 0 THEN false ELSE EXISTS (
    SELECT FROM "public"."LlamaLog" AS log
    WHERE log."parent_job_id" = :'parent' AND log."parent_job_id"::text COLLATE "C" = :'parent'::text
      AND NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE
               AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '')
  ) END AS is_parent
  FROM (SELECT NULL::boolean AS "is_root_job") AS absent
) AS below;
