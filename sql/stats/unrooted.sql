-- The rows since a given time that have a parent and store no root. For use if lineage cannot be resolved: rows that correctly have no
-- root are included. Parameters: since (a time, in UTC), sample.
-- Returns one row: rows, sample (an array of row, job, parent as JSON, the newest first).
-- Lock: ACCESS SHARE.
-- Default since: '-infinity'
-- Default sample: 10
WITH unrooted AS MATERIALIZED (
  SELECT entry.row_id, entry.job, entry.parent, entry.created
  FROM (SELECT NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT log."id"::text AS row_id, log."job_id"::text AS job, log."parent_job_id"::text AS parent, "root_job_id" IS NULL AS bare,
           "created_at" AS created
    FROM "public"."LlamaLog" AS log
    -- The bare comparison, so that an index on the column can be used.
    WHERE "created_at" >= :'since'
  ) AS entry
  WHERE entry.bare AND btrim(entry.parent COLLATE "C", E' \t\n\r\f\x0b') <> ''
)
SELECT (SELECT count(*) FROM unrooted) AS rows,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('row', newest.row_id, 'job', newest.job, 'parent', newest.parent)
                                  ORDER BY newest.created DESC, newest.row_id), '[]')
        FROM (SELECT unrooted.* FROM unrooted ORDER BY unrooted.created DESC, unrooted.row_id LIMIT :'sample'::integer) AS newest) AS sample;
