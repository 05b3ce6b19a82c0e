-- Entities for which several rows of one root have the category CREATED, once lineage is resolved. Parameters: sample.
-- Returns one row: entities (each counted once per root), sample. Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
WITH created AS MATERIALIZED (
  SELECT entry.kind, entry.entity, entry.job
  FROM (SELECT NULL::text AS "entity_type") AS absent
  CROSS JOIN LATERAL (
    SELECT coalesce("entity_type"::text, '') COLLATE "C" AS kind,
           pg_temp.present(log."entity_id"::text) AS entity,
           coalesce(pg_temp.present(log."job_id"::text), pg_temp.present(log."parent_job_id"::text)) AS job
    FROM "public"."LlamaLog" AS log
    WHERE log."category"::text = 'CREATED' AND log."entity_id" IS NOT NULL
  ) AS entry
), repeated AS (
  SELECT kind, entity FROM created GROUP BY kind, entity HAVING count(*) > 1
), twice AS MATERIALIZED (
  SELECT kind, entity, lineage.root, count(*) AS rows
  FROM repeated
  JOIN created USING (kind, entity)
  JOIN pg_temp.lineage USING (job)
  WHERE NOT lineage.dangling OR (SELECT fill_dangling FROM pg_temp.setting)
  GROUP BY kind, entity, lineage.root
  HAVING lineage.root IS NOT NULL AND count(*) > 1
)
SELECT count(*) AS entities,
  ARRAY(
    SELECT format('%s: %s rows, root %s', ltrim(kind || ' ' || entity), rows, root) FROM twice
    ORDER BY kind, entity, root LIMIT :'sample'::integer) AS sample
FROM twice;
