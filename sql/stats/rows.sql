-- The number of rows and roots, by stored values only.
-- Parameters: days (over which growth is computed), largest (the number of largest roots), since_seconds (before now).
-- Returns one row: since (that time, ISO 8601 in UTC), rows, roots (that the root column contains), days (that the log covers: at least 1,
--   and at most the requested number; NULL if no row has a time), recent_rows (within these days), recent_roots (whose first row is within
--   these days), largest_roots and largest_rows (arrays: the roots with the most rows, and how many they have).
-- Lock: ACCESS SHARE.
-- Default days: 30
-- Default largest: 5
-- Default since_seconds: 86400
WITH held AS MATERIALIZED (
  SELECT entry.root, count(*) AS rows, max(entry.age) AS oldest,
         count(*) FILTER (WHERE entry.age BETWEEN 0 AND :'days'::integer) AS recent_rows
  FROM (SELECT NULL::text AS "root_job_id", NULL::timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT "root_job_id"::text COLLATE "C" AS root,
           (extract(epoch FROM now()) - extract(epoch FROM "created_at"))::float8 / 86400 AS age  -- in days
    FROM "public"."LlamaLog" AS log
  ) AS entry
  GROUP BY entry.root
), largest AS (
  SELECT root, rows FROM held WHERE root IS NOT NULL ORDER BY rows DESC, root LIMIT :'largest'::integer
)
SELECT to_char(now() AT TIME ZONE 'UTC' - make_interval(secs => :'since_seconds'::float8), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS since,
       coalesce(sum(rows), 0)::bigint AS rows,
       count(root) AS roots,
       CASE WHEN max(oldest) IS NOT NULL THEN greatest(least(max(oldest), :'days'::integer), 1)::float8 END AS days,
       coalesce(sum(recent_rows), 0)::bigint AS recent_rows,
       count(root) FILTER (WHERE oldest BETWEEN 0 AND :'days'::integer) AS recent_roots,
       (SELECT coalesce(array_agg(root ORDER BY rows DESC, root), ARRAY[]::text[]) FROM largest) AS largest_roots,
       (SELECT coalesce(array_agg(rows ORDER BY rows DESC, root), ARRAY[]::bigint[]) FROM largest) AS largest_rows
FROM held;
