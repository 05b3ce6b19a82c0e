-- Rows whose metadata counts or lists tracks, and that have no track, where fewer tracks are logged; once lineage is resolved.
-- The tracks logged for a job are those of its own rows, of the jobs directly below it, and, if it is a root, of all jobs below it. A
-- track row without an id, such as a failure, counts as a separate track. Rows without job and parent are left out.
-- Parameters: sample. Returns one row: rows, sample. Lock: ACCESS SHARE (reads every row; twice if metadata counts tracks).
-- Default sample: 10
WITH told AS MATERIALIZED (
  SELECT counting.row_id, counting.job, counting.told_tracks
  FROM (
    SELECT ARRAY['track_count', 'tracks_count', 'total_tracks', 'num_tracks', 'tracks_created', 'track_ids',
                 'trackCount', 'tracksCount', 'totalTracks', 'numTracks', 'tracksCreated', 'trackIds', 'tracks'] AS keys
  ) AS known
  CROSS JOIN LATERAL (
    SELECT entry.row_id, entry.job, entry.told_tracks
    FROM (SELECT NULL::text AS "entity_type", NULL::text AS "entity_id", NULL::text AS "track_id") AS absent
    CROSS JOIN LATERAL (
      SELECT log."id"::text AS row_id,
             coalesce(pg_temp.present(log."job_id"::text COLLATE "C"), pg_temp.present(log."parent_job_id"::text COLLATE "C")) AS job,
             (SELECT max(CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value) WHEN 'number' THEN trunc(value::numeric) END)
              FROM jsonb_each(CASE jsonb_typeof(log."metadata") WHEN 'object' THEN log."metadata" END)
              WHERE key = ANY (known.keys)) AS told_tracks
      FROM "public"."LlamaLog" AS log
      WHERE log."metadata" ?| known.keys
        AND "track_id" IS NULL AND NOT (upper("entity_type"::text) = 'TRACK' AND "entity_id" IS NOT NULL) IS TRUE
    ) AS entry
  ) AS counting
  WHERE counting.told_tracks > 0 AND counting.job IS NOT NULL
), track AS MATERIALIZED (
  SELECT entry.job, entry.parent, entry.track,
         CASE WHEN cut.job IS NOT NULL THEN cut.root WHEN entry.chained_to IS NULL THEN entry.job ELSE above.root END AS root
  FROM (
    SELECT NULL::text AS "entity_type", NULL::text AS "entity_id", NULL::text AS "track_id", NULL::boolean AS "is_root_job"
  ) AS absent
  CROSS JOIN LATERAL (
    SELECT log."id"::text AS row_id,
           pg_temp.present(log."job_id"::text COLLATE "C") AS job,
           pg_temp.present(log."parent_job_id"::text COLLATE "C") AS parent,
           CASE WHEN NOT ((SELECT trust_root_flag FROM pg_temp.setting) AND "is_root_job" IS TRUE
                  AND pg_temp.present(log."job_id"::text COLLATE "C") IS NOT NULL)
                THEN pg_temp.present(log."parent_job_id"::text COLLATE "C") END AS chained_to,
           coalesce("track_id"::text, "entity_id"::text, log."id"::text) COLLATE "C" AS track
    FROM "public"."LlamaLog" AS log
    WHERE ("track_id" IS NOT NULL OR upper("entity_type"::text) = 'TRACK')
      AND (SELECT count(*) FROM told) > 0  -- else the log is not read again
    OFFSET 0  -- a fence: otherwise each use of a column above would compute it again
  ) AS entry
  LEFT JOIN pg_temp.cut ON cut.job = entry.job
  LEFT JOIN pg_temp.lineage AS above ON above.job = entry.chained_to
  WHERE entry.row_id NOT IN (SELECT told.row_id FROM told)
), belonging AS (
  SELECT job, track FROM track
  UNION ALL
  SELECT parent, track FROM track
  UNION ALL
  SELECT track.root, track.track FROM track
), logged AS (
  SELECT job, count(DISTINCT track) AS tracks
  FROM belonging
  WHERE job IN (SELECT job FROM told)
  GROUP BY job
), summary AS MATERIALIZED (
  SELECT told.row_id, told.job, told.told_tracks, coalesce(logged.tracks, 0) AS logged_tracks
  FROM told
  LEFT JOIN logged ON logged.job = told.job
  WHERE told.told_tracks > coalesce(logged.tracks, 0)
)
SELECT count(*) AS rows,
  ARRAY(
    SELECT format('%s: tells of %s tracks, job %s has rows of %s', row_id, told_tracks, job, logged_tracks) FROM summary
    ORDER BY row_id COLLATE "C" LIMIT :'sample'::integer) AS sample
FROM summary;
