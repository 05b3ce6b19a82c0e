-- What was written since a given time, once lineage is resolved: its depth, and the rows without a root that could be computed.
-- Parameters: since (a time, in UTC; NULL: all rows), depth (from which a chain counts as deep), sample.
-- Returns one row: max_depth (of the jobs of these rows), deep_jobs (at that depth or deeper), deep_sample (the deepest first),
--   missing_rows (they have a parent, store no root, and a root can be computed), missing_sample (row, job, parent as JSON, the newest
--   first), cyclic_rows and ambiguous_rows (they have a parent and correctly no root).
-- Lock: ACCESS SHARE.
-- Default since: '-infinity'
-- Default depth: 8
-- Default sample: 10
WITH recent AS MATERIALIZED (
  SELECT entry.row_id, entry.job, entry.parent, entry.created, entry.bare,
         walked.known, walked.known AND walked.root IS NULL AND NOT walked.dangling AS ambiguous, walked.depth, walked.root
  FROM pg_temp.setting
  CROSS JOIN LATERAL (
    SELECT held.row_id, held.job, held.parent, held.created, held.bare
    FROM (SELECT NULL::text AS "root_job_id", NULL::timestamptz AS "created_at", NULL::boolean AS "is_root_job") AS absent
    CROSS JOIN LATERAL (
      SELECT log."id"::text AS row_id, pg_temp.present(log."job_id"::text COLLATE "C") AS job,
             CASE WHEN NOT (setting.trust_root_flag AND "is_root_job" IS TRUE AND pg_temp.present(log."job_id"::text COLLATE "C") IS NOT NULL)
                  THEN pg_temp.present(log."parent_job_id"::text COLLATE "C") END AS parent,
             "created_at" AS created,
             "root_job_id" IS NULL AS bare
      FROM "public"."LlamaLog" AS log
      -- The bare comparison, so that an index on the column can be used.
      WHERE "created_at" >= :'since' OR :'since'::text IS NULL
      OFFSET 0  -- a fence: otherwise each use of a column above would compute it again
    ) AS held
  ) AS entry
  LEFT JOIN pg_temp.cut ON cut.job = entry.job
  LEFT JOIN pg_temp.lineage AS above ON above.job = entry.parent
  -- As in lineage/rooted.sql.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN cut.job IS NOT NULL THEN cut.root WHEN entry.parent IS NULL THEN entry.job ELSE above.root END AS root,
           CASE WHEN cut.job IS NOT NULL THEN cut.solved WHEN entry.parent IS NULL THEN entry.job IS NOT NULL
             ELSE above.number IS NOT NULL END AS known,
           CASE WHEN cut.job IS NOT NULL THEN cut.dangling ELSE coalesce(above.dangling, false) END AS dangling,
           CASE WHEN entry.job IS NULL THEN NULL WHEN cut.job IS NOT NULL THEN cut.depth WHEN entry.parent IS NULL THEN 0
             ELSE above.depth + 1 END AS depth
  ) AS walked
), deep AS (
  SELECT DISTINCT recent.job, recent.depth FROM recent WHERE recent.job IS NOT NULL AND recent.depth >= :'depth'::integer
), rootless AS (
  SELECT recent.row_id, recent.job, recent.parent, recent.created, recent.known, recent.ambiguous, recent.root
  FROM recent
  WHERE recent.bare AND recent.parent IS NOT NULL
)
SELECT coalesce((SELECT max(recent.depth) FROM recent WHERE recent.job IS NOT NULL), 0) AS max_depth,
       (SELECT count(*) FROM deep) AS deep_jobs,
       ARRAY(SELECT deep.job FROM deep ORDER BY deep.depth DESC, deep.job LIMIT :'sample'::integer) AS deep_sample,
       (SELECT count(*) FROM rootless WHERE rootless.root IS NOT NULL) AS missing_rows,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('row', newest.row_id, 'job', newest.job, 'parent', newest.parent)
                                  ORDER BY newest.created DESC, newest.row_id), '[]')
        FROM (
          SELECT rootless.row_id, rootless.job, rootless.parent, rootless.created FROM rootless WHERE rootless.root IS NOT NULL
          ORDER BY rootless.created DESC, rootless.row_id LIMIT :'sample'::integer
        ) AS newest) AS missing_sample,
       (SELECT count(*) FROM rootless WHERE NOT rootless.known) AS cyclic_rows,
       (SELECT count(*) FROM rootless WHERE rootless.ambiguous) AS ambiguous_rows;
