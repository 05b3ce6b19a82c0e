-- What real logs hold besides, one fault after the other.
INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", "is_root_job", "created_at")
SELECT 'demo:' || fault, 'ENRICHED'::"LlamaLogCategory", 'SUCCESS'::"LlamaLogStatus", job, parent, root, timestamp '2026-02-10 12:00'
FROM (
  VALUES
    ('cycle', 'requeue-a', 'requeue-c', false),
    ('cycle', 'requeue-b', 'requeue-a', false),
    ('cycle', 'requeue-c', 'requeue-b', false),
    ('below a cycle', 'requeue-child', 'requeue-b', false),
    ('self-parent', 'retry-1', 'retry-1', false),
    ('two parents, two roots', 'merge-1', 'album-create-pink-moon', false),
    ('two parents, two roots', 'merge-1', 'album-create-tapestry', false),
    ('two parents, one root', 'join-1', 'enrich-tapestry', false),
    ('two parents, one root', 'join-1', 'album-create-tapestry', false),
    ('parent not logged', 'import-2', 'import-1', false),
    ('flag against parent', 'album-create-again', 'album-create-tapestry', true),
    ('no job, but a parent', NULL, 'enrich-pink-moon', false),
    ('blank ids', '', ' ', false)
) AS faulty (fault, job, parent, root)
UNION ALL
SELECT 'demo:deep chain', 'ENRICHED', 'SUCCESS', 'sync-' || number, 'sync-' || nullif(number - 1, 0), number = 1,
       timestamp '2026-02-10 13:00' + number * interval '1 second'
FROM generate_series(1, 12) AS number;

ANALYZE;
