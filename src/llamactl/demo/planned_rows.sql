-- The log that the plan expected: 4,052 rows, of which 1,537 are roots, 30 have a parent, and 2,485 are of no job at all.
-- The same at each run: ids derive from md5.

INSERT INTO "albums" ("id", "title")
SELECT md5('album ' || title)::uuid, title
FROM unnest(ARRAY['Blue Train', 'Pink Moon', 'Tapestry']) AS title;

INSERT INTO "artists" ("id", "name")
SELECT md5('artist ' || name)::uuid, name
FROM unnest(ARRAY['John Coltrane', 'Lee Morgan', 'Nick Drake', 'Robert Kirby', 'Carole King', 'James Taylor']) AS name;

INSERT INTO "tracks" ("id", "title")
SELECT md5('track ' || title)::uuid, title
FROM unnest(ARRAY[
  'Blue Train', 'Moment''s Notice', 'Locomotion', 'I''m Old Fashioned', 'Lazy Bird',
  'Pink Moon', 'Place to Be', 'Road', 'Which Will', 'Horn', 'Things Behind the Sun',
  'I Feel the Earth Move', 'So Far Away', 'It''s Too Late', 'Home Again', 'Beautiful', 'Way Over Yonder'
]) AS title;

-- Three albums whose jobs were logged with their parents: a root each, and ten rows below it.
WITH album (title, artist, guest, tracks, failed, since) AS (
  VALUES
    ('Blue Train', 'John Coltrane', 'Lee Morgan',
     ARRAY['Blue Train', 'Moment''s Notice', 'Locomotion', 'I''m Old Fashioned', 'Lazy Bird'], 'Lazy Bird (alternate take)',
     timestamp '2026-02-09 10:15:00'),
    ('Pink Moon', 'Nick Drake', 'Robert Kirby',
     ARRAY['Pink Moon', 'Place to Be', 'Road', 'Which Will', 'Horn', 'Things Behind the Sun'], NULL, '2026-02-09 11:02:00'),
    ('Tapestry', 'Carole King', 'James Taylor',
     ARRAY['I Feel the Earth Move', 'So Far Away', 'It''s Too Late', 'Home Again', 'Beautiful', 'Way Over Yonder'], NULL,
     '2026-02-10 08:30:00')
), job AS (
  SELECT *, 'album-create-' || lower(replace(title, ' ', '-')) AS album_job, 'enrich-' || lower(replace(title, ' ', '-')) AS enrich_job
  FROM album
), entry (title, position, entity_type, entity, operation, category, status, error, job_id, parent_job_id, root, milliseconds) AS (
  SELECT title, 0, 'ALBUM', 'album ' || title, 'album:created:recommendation', 'CREATED', 'SUCCESS', NULL::text,
         album_job, NULL::text, true, 187
  FROM job
  UNION ALL
  SELECT title, 1, 'ARTIST', 'artist ' || artist, 'artist:created:album-child', 'CREATED', 'SUCCESS', NULL,
         'artist-create-' || lower(replace(artist, ' ', '-')), album_job, false, 42
  FROM job
  UNION ALL
  SELECT title, 2, 'ALBUM', 'album ' || title, 'album:enriched:musicbrainz', 'ENRICHED', 'SUCCESS', NULL,
         enrich_job, album_job, false, 2310
  FROM job
  UNION ALL
  SELECT title, 2 + number, 'TRACK', 'track ' || track, 'track:created:enrichment', 'CREATED', 'SUCCESS', NULL,
         'track-create-' || left(md5(title || track), 12), enrich_job, false, 20 + number::integer
  FROM job, unnest(tracks) WITH ORDINALITY AS listed (track, number)
  UNION ALL
  SELECT title, 8, 'TRACK', NULL, 'track:failed:enrichment', 'FAILED', 'FAILED', '503 from musicbrainz after 3 tries: ' || failed,
         'track-create-' || left(md5(title || failed), 12), enrich_job, false, 30000
  FROM job
  WHERE failed IS NOT NULL
  UNION ALL
  SELECT title, 9, 'ARTIST', 'artist ' || guest, 'artist:created:track-child', 'CREATED', 'SUCCESS', NULL,
         'artist-create-' || lower(replace(guest, ' ', '-')), 'track-create-' || left(md5(title || tracks[1]), 12), false, 38
  FROM job
  UNION ALL
  SELECT title, 10, 'ARTIST', 'artist ' || artist, 'artist:enriched:spotify', 'CACHED', 'SUCCESS', NULL,
         'artist-enrich-' || lower(replace(artist, ' ', '-')), 'artist-create-' || lower(replace(artist, ' ', '-')), false, 4
  FROM job
)
INSERT INTO "LlamaLog" ("id", "entity_type", "entity_id", "artist_id", "album_id", "track_id", "operation", "category", "sources",
  "status", "fields_enriched", "error_message", "error_code", "duration_ms", "metadata", "job_id", "parent_job_id", "is_root_job",
  "triggered_by", "created_at")
SELECT md5('row ' || entry.title || position)::uuid, entity_type::"LlamaLogEntityType", md5(entity)::uuid,
       CASE WHEN entity_type = 'ARTIST' THEN md5(entity)::uuid END,
       CASE WHEN entity_type = 'ALBUM' THEN md5(entity)::uuid END,
       CASE WHEN entity_type = 'TRACK' THEN md5(entity)::uuid END,
       operation, category::"LlamaLogCategory", ARRAY['MUSICBRAINZ'], status::"LlamaLogStatus",
       CASE category WHEN 'CREATED' THEN ARRAY['name'] ELSE '{}' END, error, CASE WHEN error IS NOT NULL THEN 'HTTP_503' END,
       milliseconds, jsonb_build_object('album', entry.title), job_id, parent_job_id, root,
       'recommendation', album.since + position * interval '1.4 seconds'
FROM entry
JOIN album USING (title);

-- Root jobs that caused nothing, or whose children were never given their parent.
INSERT INTO "LlamaLog" ("id", "entity_type", "entity_id", "operation", "category", "sources", "status", "fields_enriched",
  "duration_ms", "job_id", "is_root_job", "created_at")
SELECT md5('root ' || number)::uuid, 'ALBUM', md5('entity ' || number)::uuid, 'album:created:search', 'CREATED', ARRAY['SPOTIFY'],
       'SUCCESS', ARRAY['title'], 90 + number % 50, 'album-create-' || left(md5('job ' || number), 16), true,
       timestamp '2026-01-05' + number * interval '29 minutes'
FROM generate_series(1, 1534) AS number;

-- From before jobs were tracked.
INSERT INTO "LlamaLog" ("id", "entity_type", "entity_id", "operation", "category", "sources", "status", "fields_enriched",
  "duration_ms", "created_at")
SELECT md5('old ' || number)::uuid, (ARRAY['ALBUM', 'ARTIST', 'TRACK'])[1 + number % 3]::"LlamaLogEntityType",
       md5('old entity ' || number)::uuid, 'ENRICH', 'ENRICHED', ARRAY['MUSICBRAINZ'], 'SUCCESS', '{}', 200 + number % 300,
       timestamp '2025-10-01' + number * interval '47 minutes'
FROM generate_series(1, 2485) AS number;

ANALYZE;
