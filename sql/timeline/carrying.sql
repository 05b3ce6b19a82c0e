-- The rows that have the id of an album, artist or track. Uses indexes if they exist: on (entity_type, entity_id),
--   and on album_id, artist_id or track_id.
-- Parameters: types and entity (the words for the kind in entity_type, and the id, as stored in these columns), album,
--   artist, track (the id; NULL: not searched).
-- Returns one row per row of the log, all text: place (ctid), tie (the job that decides its root: its own, else its
--   parent; NULL if both are missing), root (as stored).
-- Lock: ACCESS SHARE.
-- Default types: '{ALBUM}'
-- Default entity: '00000000-0000-0000-0000-000000000000'
-- Default album: '00000000-0000-0000-0000-000000000000'
-- Default artist: '00000000-0000-0000-0000-000000000000'
-- Default track: '00000000-0000-0000-0000-000000000000'
SELECT entry.place, entry.tie, entry.root
FROM (
  SELECT NULL::text AS "entity_type", NULL::text AS "entity_id", NULL::text AS "album_id", NULL::text AS "artist_id",
         NULL::text AS "track_id", NULL::text AS "root_job_id"
) AS absent
CROSS JOIN LATERAL (
  SELECT log.ctid::text AS place,
         CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text
              WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."parent_job_id"::text
         END AS tie,
         "root_job_id"::text AS root
  FROM "public"."LlamaLog" AS log
  WHERE "entity_type" = ANY (:'types') AND "entity_id" = :'entity'
     OR "album_id" = :'album' OR "artist_id" = :'artist' OR "track_id" = :'track'
) AS entry;
