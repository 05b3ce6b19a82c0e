-- A log shaped like the real one: 9 rows an album, each job with a row of its own. %(albums)s albums.
--   album-create (root) -> 2 artists, and the enrichment -> 5 tracks
-- Loaded without triggers and indexes, which bench.py puts back.
SET session_replication_role = replica;

INSERT INTO "albums" ("id", "title") SELECT md5('album ' || a)::uuid, 'Album ' || a FROM generate_series(1, %(albums)s) AS a;
INSERT INTO "artists" ("id", "name") SELECT md5('artist ' || a)::uuid, 'Artist ' || a FROM generate_series(0, %(albums)s / 4) AS a;
INSERT INTO "tracks" ("id", "title")
SELECT md5('track ' || a || '/' || t)::uuid, 'Track ' || t FROM generate_series(1, %(albums)s) AS a, generate_series(1, 5) AS t;

INSERT INTO "LlamaLog" ("id", "entity_type", "entity_id", "artist_id", "album_id", "track_id", "operation", "category", "sources",
  "status", "reason", "fields_enriched", "data_quality_before", "data_quality_after", "error_message", "error_code", "retry_count",
  "duration_ms", "api_call_count", "metadata", "job_id", "parent_job_id", "is_root_job", "triggered_by", "user_id", "created_at")
SELECT gen_random_uuid(), kind::"LlamaLogEntityType", entity, CASE kind WHEN 'ARTIST' THEN entity END,
       CASE kind WHEN 'ALBUM' THEN entity END, CASE kind WHEN 'TRACK' THEN entity END, operation,
       (CASE WHEN failed THEN 'FAILED' ELSE category END)::"LlamaLogCategory", ARRAY['MUSICBRAINZ', 'SPOTIFY'],
       (CASE WHEN failed THEN 'FAILED' ELSE 'SUCCESS' END)::"LlamaLogStatus", NULL,
       ARRAY['title', 'trackNumber', 'durationMs', 'musicbrainzId'], 'LOW', 'HIGH',
       CASE WHEN failed THEN '503 from musicbrainz after 3 tries' END, CASE WHEN failed THEN 'HTTP_503' END, 0,
       (20 + a %% 400)::integer, 2,
       jsonb_build_object('trackNumber', n, 'discNumber', 1, 'source', 'musicbrainz', 'mbRecordingId', md5('mb ' || a || n)),
       job, parent, parent IS NULL, 'recommendation', md5('user ' || a %% 5000)::uuid,
       timestamp '2025-06-01' + a * interval '31 seconds' + n * interval '0.8 seconds'
FROM generate_series(1, %(albums)s) AS a
CROSS JOIN LATERAL (
  VALUES
    (0, 'ALBUM', 'album:created:recommendation', 'CREATED', 'album-create-' || md5('album ' || a), NULL, md5('album ' || a)::uuid),
    (1, 'ARTIST', 'artist:created:album-child', 'CREATED', 'artist-create-' || md5(a || '/1'), 'album-create-' || md5('album ' || a),
      md5('artist ' || a / 4)::uuid),
    (2, 'ARTIST', 'artist:linked:album-association', 'CACHED', 'artist-create-' || md5(a || '/2'), 'album-create-' || md5('album ' || a),
      md5('artist ' || a / 7)::uuid),
    (3, 'ALBUM', 'album:enriched:musicbrainz', 'ENRICHED', 'enrich-' || md5('album ' || a), 'album-create-' || md5('album ' || a),
      md5('album ' || a)::uuid),
    (4, 'TRACK', 'track:created:enrichment', 'CREATED', 'track-create-' || md5(a || '/4'), 'enrich-' || md5('album ' || a), md5('track ' || a || '/1')::uuid),
    (5, 'TRACK', 'track:created:enrichment', 'CREATED', 'track-create-' || md5(a || '/5'), 'enrich-' || md5('album ' || a), md5('track ' || a || '/2')::uuid),
    (6, 'TRACK', 'track:created:enrichment', 'CREATED', 'track-create-' || md5(a || '/6'), 'enrich-' || md5('album ' || a), md5('track ' || a || '/3')::uuid),
    (7, 'TRACK', 'track:created:enrichment', 'CREATED', 'track-create-' || md5(a || '/7'), 'enrich-' || md5('album ' || a), md5('track ' || a || '/4')::uuid),
    (8, 'TRACK', 'track:created:enrichment', 'CREATED', 'track-create-' || md5(a || '/8'), 'enrich-' || md5('album ' || a), md5('track ' || a || '/5')::uuid)
) AS entry (n, kind, operation, category, job, parent, entity)
CROSS JOIN LATERAL (SELECT entry.n = 8 AND a %% 50 = 0 AS failed) AS outcome;
