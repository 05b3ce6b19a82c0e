-- A root's rows, oldest first, as an application would query them. Parameters: root, most (rows).
-- Returns all columns of the table. Lock: ACCESS SHARE.
-- Default root: ''
-- Default most: 100000
SELECT entry.*
FROM (SELECT NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
CROSS JOIN LATERAL (
  SELECT log.*
  FROM "public"."LlamaLog" AS log
  WHERE "root_job_id" = :'root'
  ORDER BY "created_at"
  LIMIT :'most'::bigint
) AS entry;
