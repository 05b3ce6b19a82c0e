-- The rows of the last day that name a parent and hold no root. Parameter: sample.
-- Returns one row: rows, sample (an array of row, job, parent as JSON, the newest first).
-- Lock: ACCESS SHARE.
\if :{?sample}
\else
\set sample 10
\endif
WITH unrooted AS MATERIALIZED (
  SELECT entry.row_id, entry.job, entry.parent, entry.created
  FROM (SELECT NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT log."id"::text AS row_id, log."job_id"::text AS job, log."parent_job_id"::text AS parent, "root_job_id" IS NULL AS bare,
           extract(epoch FROM "created_at") AS created
    FROM "public"."LlamaLog" AS log
  ) AS entry
  WHERE entry.bare AND entry.created > extract(epoch FROM now()) - 86400
    AND btrim(entry.parent COLLATE "C", E' \t\n\r\f\x0b') <> ''
)
SELECT (SELECT count(*) FROM unrooted) AS rows,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('row', row_id, 'job', job, 'parent', parent) ORDER BY created DESC, row_id), '[]')
        FROM (SELECT * FROM unrooted ORDER BY created DESC, row_id LIMIT :'sample'::integer) AS newest) AS sample;
