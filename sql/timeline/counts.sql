-- The figures on all rows of a timeline, shown or not, in one pass; rows.sql defines which rows these are.
-- Parameters: those of rows.sql (places, roots, apart, ties, jobs, parents, tops, no_orphans, categories, since, until,
--   after_created, after_root, after_id); and of_root (the timeline is of a root); types and entity (the words for the kind
--   in entity_type, and the id, as stored in these columns), album, artist, track (the id; NULL: not searched); known (the
--   known statuses, in capitals).
-- Returns one row: total, orphans, failed, unknown_statuses and unknown_rows (arrays: the statuses that are not among
--   `known`, including NULL, and how many rows have each; NULL if there are none), left_out_no_orphans ... left_out_after
--   (how many each filter left out; the first that applies counts), first_created, first_linked (ISO 8601), and for rows.sql
--   lowest and highest (of created_at, ISO 8601; NULL if no row has one) and undated (some row has none).
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
-- Default no_orphans: false
-- Default categories: '{CREATED,LINKED}'
-- Default since: '-infinity'
-- Default until: 'infinity'
-- Default after_created: '-infinity'
-- Default after_root: false
-- Default after_id: ''
-- Default known: '{SUCCESS,PARTIAL_SUCCESS,FAILED,NO_DATA_AVAILABLE,SKIPPED}'
WITH typed AS (
  -- Never executed: it gives the arrays their columns' types, so that these can use their indexes.
  SELECT coalesce(array_agg(log."job_id"), :'jobs'), coalesce(array_agg(log."parent_job_id"), :'parents')
  FROM "public"."LlamaLog" AS log
),
by_status AS (
  SELECT member.status,
         count(*) AS total,
         count(*) FILTER (WHERE NOT member.tracked) AS orphans,
         count(*) FILTER (WHERE 'FAILED' IN (upper(member.category COLLATE "C"), upper(member.status COLLATE "C"))) AS failed,
         count(*) FILTER (WHERE upper(member.status COLLATE "C") = ANY (:'known'::text[]) IS NOT TRUE
                            AND upper(member.category COLLATE "C") IS DISTINCT FROM 'FAILED') AS unknown,
         count(*) FILTER (WHERE member.left_out = 'no_orphans') AS left_out_no_orphans,
         count(*) FILTER (WHERE member.left_out = 'category') AS left_out_category,
         count(*) FILTER (WHERE member.left_out = 'since') AS left_out_since,
         count(*) FILTER (WHERE member.left_out = 'until') AS left_out_until,
         count(*) FILTER (WHERE member.left_out = 'after') AS left_out_after,
         min(member.created) FILTER (WHERE member.category = 'CREATED' AND member.about
                                       OR member.is_root AND :'of_root'::boolean) AS first_created,
         min(member.created) FILTER (WHERE member.category = 'LINKED' AND member.about) AS first_linked,
         min(member.created) AS lowest,
         max(member.created) AS highest,
         bool_or(member.created IS NULL) AS undated
  FROM (
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
             coalesce(mapped.job = ANY (:'tops'::text[]), false) AS is_root
      FROM (VALUES (false), (true)) AS kind (tracked)
      CROSS JOIN LATERAL (SELECT held.* FROM (
        SELECT NULL::text AS "category", NULL::text AS "status", NULL::text AS "entity_type", NULL::text AS "entity_id",
               NULL::text AS "album_id", NULL::text AS "artist_id", NULL::text AS "track_id", NULL::timestamptz AS "created_at",
               NULL::text AS "root_job_id"
      ) AS absent
      CROSS JOIN LATERAL (
        SELECT CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                    THEN log."job_id"::text COLLATE "C" END AS job,
               CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                    THEN log."parent_job_id"::text COLLATE "C" END AS parent,
               log."id"::text COLLATE "C" AS id,
               "category"::text AS category,
               "status"::text AS status,
               "created_at" AS created,
               "entity_type"::text = ANY (:'types'::text[])
                 AND ("entity_id"::text = :'entity'::text
                      OR "entity_id" IS NULL
                         AND ("album_id"::text = :'album'::text OR "artist_id"::text = :'artist'::text
                              OR "track_id"::text = :'track'::text)) AS about
        FROM (
          SELECT log.*
          FROM "public"."LlamaLog" AS log
          WHERE NOT kind.tracked AND log.ctid = ANY (:'places'::tid[])
          UNION ALL
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
            -- Without ids this branch must not cause a scan.
            AND cardinality(:'jobs'::text[]) + cardinality(:'parents'::text[]) > 0
        ) AS log
      ) AS held) AS mapped
      WHERE NOT kind.tracked
         OR coalesce(mapped.job, mapped.parent) IS NOT NULL AND coalesce(mapped.job, mapped.parent) <> ALL (:'apart'::text[])
    ) AS entry
  ) AS member
  GROUP BY member.status
)
SELECT coalesce(sum(by_status.total), 0)::bigint AS total,
       coalesce(sum(by_status.orphans), 0)::bigint AS orphans,
       coalesce(sum(by_status.failed), 0)::bigint AS failed,
       array_agg(by_status.status) FILTER (WHERE by_status.unknown > 0) AS unknown_statuses,
       array_agg(by_status.unknown) FILTER (WHERE by_status.unknown > 0) AS unknown_rows,
       coalesce(sum(by_status.left_out_no_orphans), 0)::bigint AS left_out_no_orphans,
       coalesce(sum(by_status.left_out_category), 0)::bigint AS left_out_category,
       coalesce(sum(by_status.left_out_since), 0)::bigint AS left_out_since,
       coalesce(sum(by_status.left_out_until), 0)::bigint AS left_out_until,
       coalesce(sum(by_status.left_out_after), 0)::bigint AS left_out_after,
       to_json(min(by_status.first_created)) #>> '{}' AS first_created,
       to_json(min(by_status.first_linked)) #>> '{}' AS first_linked,
       to_json(min(by_status.lowest)) #>> '{}' AS lowest,
       to_json(max(by_status.highest)) #>> '{}' AS highest,
       coalesce(bool_or(by_status.undated), false) AS undated
FROM by_status;
