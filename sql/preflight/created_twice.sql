-- Entities for which several rows of one root have the category CREATED, once lineage is resolved. Parameters: sample.
-- Returns one row: entities (each counted once per root), sample. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
WITH created AS MATERIALIZED (
  SELECT entry.kind, entry.entity,
         CASE WHEN cut.job IS NOT NULL THEN cut.root WHEN entry.parent IS NULL THEN entry.job ELSE above.root END AS root
  FROM (SELECT NULL::text AS "entity_type", NULL::boolean AS "is_root_job") AS absent
  CROSS JOIN LATERAL (
    SELECT coalesce("entity_type"::text, '') COLLATE "C" AS kind,
           pg_temp.present(log."entity_id"::text) AS entity,
           pg_temp.present(log."job_id"::text COLLATE "C") AS job,
           CASE WHEN NOT ((SELECT trust_root_flag FROM pg_temp.setting) AND "is_root_job" IS TRUE
                  AND pg_temp.present(log."job_id"::text COLLATE "C") IS NOT NULL)
                THEN pg_temp.present(log."parent_job_id"::text COLLATE "C") END AS parent
    FROM "public"."LlamaLog" AS log
    WHERE log."category"::text = 'CREATED' AND log."entity_id" IS NOT NULL
    OFFSET 0  -- a fence: otherwise each use of a column above would compute it again
  ) AS entry
  LEFT JOIN pg_temp.cut ON cut.job = entry.job
  LEFT JOIN pg_temp.lineage AS above ON above.job = entry.parent
), repeated AS (
  SELECT kind, entity FROM created GROUP BY kind, entity HAVING count(*) > 1
), twice AS MATERIALIZED (
  SELECT kind, entity, created.root, count(*) AS rows
  FROM repeated
  JOIN created USING (kind, entity)
  GROUP BY kind, entity, created.root
  HAVING created.root IS NOT NULL AND count(*) > 1
)
SELECT count(*) AS entities,
  ARRAY(
    SELECT format('%s: %s rows, root %s', ltrim(kind || ' ' || entity), rows, root) FROM twice
    ORDER BY kind, entity, root LIMIT :'sample'::integer) AS sample
FROM twice;
