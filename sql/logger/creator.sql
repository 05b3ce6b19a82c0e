-- The job that created an entity: the job of its first CREATED row.
-- Parameters: entity_type, entity_id. Returns one row or none: job, parent, root (NULL if it stores none).
-- Lock: ACCESS SHARE.
-- Default entity_type: ALBUM
-- Default entity_id: 00000000-0000-0000-0000-000000000000
SELECT held.job, held.parent, held.root
FROM (SELECT NULL::pg_catalog.text AS "root_job_id") AS absent
CROSS JOIN LATERAL (
  SELECT log."job_id"::pg_catalog.text AS job,
         log."parent_job_id"::pg_catalog.text AS parent,
         "root_job_id"::pg_catalog.text AS root,
         log."created_at" AS at,
         log."id" AS row_id
  FROM "public"."LlamaLog" AS log
  WHERE log."entity_type" OPERATOR(pg_catalog.=) :'entity_type' AND log."entity_id" OPERATOR(pg_catalog.=) :'entity_id'
    AND log."category" OPERATOR(pg_catalog.=) 'CREATED'
    AND pg_catalog.btrim(log."job_id"::pg_catalog.text, E' \t\n\r\f\x0b') OPERATOR(pg_catalog.<>) ''
) AS held
ORDER BY held.at, held.row_id
LIMIT 1;
