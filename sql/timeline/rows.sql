-- The rows of one root; or of one album, artist or track: those of the roots of all rows that carry its id, and those
--   of the latter that have no root. With each comes what is to be said of all of them. By index, where these are there:
--   on the root column, and on job_id and parent_job_id.
-- Parameters: of_root (the timeline is of a root); types and entity (the words for the kind in entity_type, and the id,
--   as their columns hold them), album, artist, track (the id; NULL: not looked for); places (ctids: the rows without a
--   root); roots (in root_job_id's type: the rows that store one of these have it), but for the rows of the jobs in apart
--   (as text); ties (the jobs, as text, whose further rows have one of the roots), jobs and parents (the same, in job_id's
--   and in parent_job_id's type); tops (the roots, as text); trust_root_flag; no_orphans, categories (NULL: all), since,
--   until (NULL: no bound; since is inside, until is not), known (the statuses that are known, in capitals), after_created, after_root and after_id (of the last row of the page before; NULL: from the start), most.
-- Returns one row for each row that is shown, in their order, and one with NULLs where none is. Of all rows: total,
--   orphans, failed, unknown_statuses and unknown_rows (arrays: the statuses that are not among `known`, NULL too, and how
--   many rows have each; NULL where there are none), left_out_no_orphans ... left_out_after (how many each filter left out, by the first that did),
--   first_created, first_linked (ISO 8601). Of the row: id (NULL: there is none), operation, category, status,
--   entity_type, entity_id, duration_ms, error_message, created_at (ISO 8601), job, parent (NULL where missing; the
--   parent also where the root flag disregards it), root (as it is stored), album_id, artist_id, track_id, all
--   text; tracked (it has a root), is_root (its job is one).
-- Lock: ACCESS SHARE.
-- Default of_root: false
-- Default types: '{ALBUM}'
-- Default entity: '00000000-0000-0000-0000-000000000000'
-- Default album: '00000000-0000-0000-0000-000000000000'
-- Default artist: '00000000-0000-0000-0000-000000000000'
-- Default track: '00000000-0000-0000-0000-000000000000'
-- Default places: '{}'
-- Default roots: '{}'
-- Default apart: '{}'
-- Default ties: '{}'
-- Default jobs: '{}'
-- Default parents: '{}'
-- Default tops: '{}'
-- Default trust_root_flag: true
-- Default no_orphans: false
-- Default categories: '{CREATED,LINKED}'
-- Default since: '-infinity'
-- Default until: 'infinity'
-- Default after_created: '-infinity'
-- Default after_root: false
-- Default after_id: ''
-- Default known: '{SUCCESS,PARTIAL_SUCCESS,FAILED,NO_DATA_AVAILABLE,SKIPPED}'
-- Default most: 50
WITH typed AS (
  -- Never run: it gives the arrays their columns' types, so that these can use their indexes.
  SELECT coalesce(array_agg(log."job_id"), :'jobs'), coalesce(array_agg(log."parent_job_id"), :'parents')
  FROM "public"."LlamaLog" AS log
),
member AS MATERIALIZED (
  SELECT entry.*,
         CASE
           WHEN :'no_orphans'::boolean AND NOT entry.tracked THEN 'no_orphans'
           WHEN entry.category <> ALL (:'categories'::text[])
             OR entry.category IS NULL AND :'categories'::text[] IS NOT NULL THEN 'category'
           WHEN entry.created < :'since' OR entry.created IS NULL AND :'since'::text IS NOT NULL THEN 'since'
           WHEN entry.created >= :'until' OR entry.created IS NULL AND :'until'::text IS NOT NULL THEN 'until'
           WHEN entry.created < :'after_created'
             OR entry.created IS NOT NULL AND :'after_created'::text IS NULL AND :'after_id'::text IS NOT NULL
             OR entry.created IS NOT DISTINCT FROM :'after_created'
                AND (NOT entry.is_root, entry.id) <= (NOT :'after_root'::boolean, :'after_id'::text COLLATE "C") THEN 'after'
         END AS left_out
  FROM (
    SELECT mapped.*, kind.tracked,
           coalesce(mapped.job = ANY (:'tops'::text[]), false) AS is_root,
           CASE WHEN NOT (:'trust_root_flag'::boolean AND mapped.flagged AND mapped.job IS NOT NULL)
                THEN mapped.parent_held END AS parent
    FROM (VALUES (false), (true)) AS kind (tracked)
    CROSS JOIN LATERAL (SELECT held.* FROM (
      SELECT NULL::text AS "operation", NULL::text AS "category", NULL::text AS "status", NULL::text AS "entity_type",
             NULL::text AS "entity_id", NULL::text AS "duration_ms", NULL::text AS "error_message", NULL::text AS "album_id",
             NULL::text AS "artist_id", NULL::text AS "track_id", NULL::timestamptz AS "created_at",
             NULL::boolean AS "is_root_job", NULL::text AS "root_job_id"
    ) AS absent
    CROSS JOIN LATERAL (
      SELECT CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."job_id"::text COLLATE "C" END AS job,
             CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."parent_job_id"::text COLLATE "C" END AS parent_held,
             "root_job_id"::text COLLATE "C" AS root,
             log."id"::text COLLATE "C" AS id,
             "operation"::text AS operation,
             "category"::text AS category,
             "status"::text AS status,
             "entity_type"::text AS entity_type,
             "entity_id"::text AS entity_id,
             "duration_ms"::text AS duration_ms,
             "error_message"::text AS error_message,
             "album_id"::text AS album_id,
             "artist_id"::text AS artist_id,
             "track_id"::text AS track_id,
             "created_at" AS created,
             "is_root_job" IS TRUE AS flagged
      FROM (
        SELECT log.*
        FROM "public"."LlamaLog" AS log
        WHERE NOT kind.tracked AND log.ctid = ANY (:'places'::tid[])
        UNION ALL
        -- Arrays, not joins: a join could read the whole table, and hash it. A stored root can be wrong, and a column's
        -- type can take other ids for equal.
        SELECT log.*
        FROM "public"."LlamaLog" AS log
        WHERE kind.tracked AND "root_job_id" = ANY (:'roots')
          AND "root_job_id"::text COLLATE "C" = ANY (:'tops'::text[])
        UNION ALL
        SELECT log.*
        FROM "public"."LlamaLog" AS log
        WHERE kind.tracked
          AND (log."job_id" = ANY (:'jobs')
               OR log."parent_job_id" = ANY (:'parents') AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') = '')
          AND coalesce(CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text END,
                       log."parent_job_id"::text) COLLATE "C" = ANY (:'ties'::text[])
          AND ("root_job_id" = ANY (:'roots') AND "root_job_id"::text COLLATE "C" = ANY (:'tops'::text[])) IS NOT TRUE
          -- Without ids this branch must not cost a scan.
          AND cardinality(:'jobs'::text[]) + cardinality(:'parents'::text[]) > 0
      ) AS log
    ) AS held) AS mapped
    WHERE NOT kind.tracked
       OR coalesce(mapped.job, mapped.parent_held) IS NOT NULL AND coalesce(mapped.job, mapped.parent_held) <> ALL (:'apart'::text[])
  ) AS entry
),
unknown AS (
  SELECT array_agg(counted.status) AS statuses, array_agg(counted.rows) AS rows
  FROM (
    SELECT member.status, count(*) AS rows
    FROM member
    WHERE upper(member.status COLLATE "C") = ANY (:'known'::text[]) IS NOT TRUE
      AND upper(member.category COLLATE "C") IS DISTINCT FROM 'FAILED'
    GROUP BY member.status
  ) AS counted
),
head AS (
  SELECT count(*) AS total,
         count(*) FILTER (WHERE NOT tracked) AS orphans,
         count(*) FILTER (WHERE 'FAILED' IN (upper(category COLLATE "C"), upper(status COLLATE "C"))) AS failed,
         (SELECT unknown.statuses FROM unknown) AS unknown_statuses,
         (SELECT unknown.rows FROM unknown) AS unknown_rows,
         count(*) FILTER (WHERE left_out = 'no_orphans') AS left_out_no_orphans,
         count(*) FILTER (WHERE left_out = 'category') AS left_out_category,
         count(*) FILTER (WHERE left_out = 'since') AS left_out_since,
         count(*) FILTER (WHERE left_out = 'until') AS left_out_until,
         count(*) FILTER (WHERE left_out = 'after') AS left_out_after,
         to_json(min(created) FILTER (WHERE category = 'CREATED' AND about OR is_root AND :'of_root'::boolean)) #>> '{}'
           AS first_created,
         to_json(min(created) FILTER (WHERE category = 'LINKED' AND about)) #>> '{}' AS first_linked
  FROM (
    SELECT member.*,
           entity_type = ANY (:'types'::text[])
             AND (entity_id = :'entity'::text
                  OR entity_id IS NULL AND (album_id = :'album'::text OR artist_id = :'artist'::text
                                            OR track_id = :'track'::text)) AS about
    FROM member
  ) AS told
)
SELECT head.*,
       member.id, member.operation, member.category, member.status, member.entity_type, member.entity_id,
       member.duration_ms, member.error_message, to_json(member.created) #>> '{}' AS created_at,
       member.job, member.parent, member.root, member.album_id, member.artist_id, member.track_id
FROM head
LEFT JOIN member ON member.left_out IS NULL
ORDER BY member.created NULLS LAST, member.is_root DESC, member.id
LIMIT :'most'::bigint;
