-- A page of a timeline: of the rows of one root; or of one album, artist or track: the rows of the roots of all rows that
--   have its id, and those with its id that have no root. Uses indexes if they exist: on the root column, and on job_id and
--   parent_job_id. With an index on the root column and created_at it reads only what the page needs. Run counts.sql
--   before it, for the figures on all rows.
-- Parameters: places (ctids: the rows without a root); roots (in root_job_id's type: the rows that store one of these have
--   it), except for the rows of the jobs in apart (as text); ties (the jobs, as text, whose other rows have one of the
--   roots), jobs and parents (the same, in the types of job_id and parent_job_id); tops (the roots, as text);
--   trust_root_flag; no_orphans, categories (NULL: all), since, until (NULL: unbounded; since is inclusive, until
--   exclusive), after_created, after_root and after_id (of the last row of the previous page; NULL: from the start), lowest
--   and highest (of created_at, of all rows; NULL if no row has one), undated (some row has none), most (rows; NULL: all).
-- Returns one row for each row that is shown, in order: id, operation, category, status, entity_type, entity_id,
--   duration_ms, error_message, created_at (ISO 8601), job, parent (NULL if missing; parent also if ignored because of the
--   root flag), root (as stored), album_id, artist_id, track_id, all text.
-- Lock: ACCESS SHARE.
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
-- Default lowest: '-infinity'
-- Default highest: 'infinity'
-- Default undated: true
-- Default most: 50
WITH typed AS (
  -- Never executed: it gives the arrays their columns' types, so that these can use their indexes.
  SELECT coalesce(array_agg(log."job_id"), :'jobs'), coalesce(array_agg(log."parent_job_id"), :'parents')
  FROM "public"."LlamaLog" AS log
),
bound AS MATERIALIZED (
  -- The times between which the page lies. No row is read here either: the column only provides its type.
  SELECT bounds.low, bounds.high
  FROM (SELECT NULL::timestamptz AS "created_at") AS absent
  CROSS JOIN LATERAL (
    SELECT greatest(max(none.created), :'lowest', :'since', :'after_created') AS low,
           least(max(none.created), :'highest', :'until') AS high
    FROM (SELECT "created_at" AS created FROM "public"."LlamaLog" AS log WHERE false) AS none
  ) AS bounds
),
-- The rows that store one of the roots and have a time, root by root: an index on both returns them in order.
dated AS (
  SELECT found.place, found.created, found.is_root, found.id
  FROM (
    SELECT unnest(coalesce(array_agg(none.root), :'roots')) AS root
    FROM (SELECT NULL::text AS "root_job_id") AS absent
    CROSS JOIN LATERAL (SELECT "root_job_id" AS root FROM "public"."LlamaLog" AS log WHERE false) AS none
  ) AS wanted
  CROSS JOIN LATERAL (
    SELECT held.place, held.created, coalesce(held.job = ANY (:'tops'::text[]), false) AS is_root, held.id
    FROM (SELECT NULL::text AS "category", NULL::timestamptz AS "created_at", NULL::text AS "root_job_id") AS absent
    CROSS JOIN LATERAL (
      SELECT log.ctid AS place, "created_at" AS created, "category"::text AS category, log."id"::text COLLATE "C" AS id,
             CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."job_id"::text COLLATE "C" END AS job,
             CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."parent_job_id"::text COLLATE "C" END AS parent
      FROM "public"."LlamaLog" AS log
      -- A column's type can compare different ids as equal.
      WHERE "root_job_id" = wanted.root AND "root_job_id"::text COLLATE "C" = wanted.root::text COLLATE "C"
        AND "created_at" >= (SELECT bound.low FROM bound) AND "created_at" <= (SELECT bound.high FROM bound)
    ) AS held
    WHERE coalesce(held.job, held.parent) <> ALL (:'apart'::text[])
      AND (held.created < :'until') IS NOT FALSE
      AND (held.category = ANY (:'categories'::text[]) OR :'categories'::text[] IS NULL)
      AND (held.created = :'after_created'
           AND (NOT coalesce(held.job = ANY (:'tops'::text[]), false), held.id)
               <= (NOT :'after_root'::boolean, :'after_id'::text COLLATE "C")) IS NOT TRUE
      -- After a row without a time there are none with one.
      AND (:'after_created'::text IS NOT NULL OR :'after_id'::text IS NULL)
    ORDER BY held.created, coalesce(held.job = ANY (:'tops'::text[]), false) DESC, held.id
    LIMIT :'most'::bigint
  ) AS found
),
-- The rows that store one of them and have no time, the other rows of their jobs, and those without a root.
other AS (
  SELECT entry.place, entry.created, entry.is_root, entry.id
  FROM (
    SELECT unnest(:'places'::tid[]) AS place, false AS tracked
    UNION ALL
    SELECT belonging.place, true
    FROM (SELECT NULL::timestamptz AS "created_at", NULL::text AS "root_job_id") AS absent
    CROSS JOIN LATERAL (
      -- Arrays, not joins: a join could read and hash the whole table. A stored root can be wrong.
      SELECT log.ctid AS place
      FROM "public"."LlamaLog" AS log
      WHERE "root_job_id" = ANY (:'roots') AND "root_job_id"::text COLLATE "C" = ANY (:'tops'::text[])
        AND "created_at" IS NULL AND :'undated'::boolean
      UNION ALL
      SELECT log.ctid
      FROM "public"."LlamaLog" AS log
      WHERE (log."job_id" = ANY (:'jobs')
             OR log."parent_job_id" = ANY (:'parents') AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') = '')
        AND coalesce(CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text END,
                     log."parent_job_id"::text) COLLATE "C" = ANY (:'ties'::text[])
        AND ("root_job_id" = ANY (:'roots') AND "root_job_id"::text COLLATE "C" = ANY (:'tops'::text[])) IS NOT TRUE
        -- Without ids this branch must not cause a scan.
        AND cardinality(:'jobs'::text[]) + cardinality(:'parents'::text[]) > 0
    ) AS belonging
  ) AS chosen
  CROSS JOIN LATERAL (
    SELECT held.place, held.created, held.category, coalesce(held.job, held.parent) AS tie,
           coalesce(held.job = ANY (:'tops'::text[]), false) AS is_root, held.id
    FROM (SELECT NULL::text AS "category", NULL::timestamptz AS "created_at") AS absent
    CROSS JOIN LATERAL (
      SELECT log.ctid AS place, "created_at" AS created, "category"::text AS category, log."id"::text COLLATE "C" AS id,
             CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."job_id"::text COLLATE "C" END AS job,
             CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                  THEN log."parent_job_id"::text COLLATE "C" END AS parent
      FROM "public"."LlamaLog" AS log
      WHERE log.ctid = chosen.place
    ) AS held
  ) AS entry
  WHERE CASE WHEN chosen.tracked THEN entry.tie <> ALL (:'apart'::text[]) ELSE NOT :'no_orphans'::boolean END
    AND (entry.category = ANY (:'categories'::text[]) OR :'categories'::text[] IS NULL)
    AND (entry.created >= :'since' OR :'since'::text IS NULL)
    AND (entry.created < :'until' OR :'until'::text IS NULL)
    AND (entry.created < :'after_created'
         OR entry.created IS NOT NULL AND :'after_created'::text IS NULL AND :'after_id'::text IS NOT NULL
         OR entry.created IS NOT DISTINCT FROM :'after_created'
            AND (NOT entry.is_root, entry.id) <= (NOT :'after_root'::boolean, :'after_id'::text COLLATE "C")) IS NOT TRUE
)
SELECT page.id, held.operation, held.category, held.status, held.entity_type, held.entity_id, held.duration_ms,
       held.error_message, to_json(page.created) #>> '{}' AS created_at, held.job, held.parent, held.root, held.album_id,
       held.artist_id, held.track_id
FROM (
  SELECT entry.place, entry.created, entry.is_root, entry.id
  FROM (SELECT dated.* FROM dated UNION ALL SELECT other.* FROM other) AS entry
  ORDER BY entry.created NULLS LAST, entry.is_root DESC, entry.id
  LIMIT :'most'::bigint
) AS page
CROSS JOIN LATERAL (SELECT held.* FROM (
  SELECT NULL::text AS "operation", NULL::text AS "category", NULL::text AS "status", NULL::text AS "entity_type",
         NULL::text AS "entity_id", NULL::text AS "duration_ms", NULL::text AS "error_message", NULL::text AS "album_id",
         NULL::text AS "artist_id", NULL::text AS "track_id", NULL::boolean AS "is_root_job", NULL::text AS "root_job_id"
) AS absent
CROSS JOIN LATERAL (
  SELECT CASE WHEN btrim(log."job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> '' THEN log."job_id"::text END AS job,
         CASE WHEN btrim(log."parent_job_id"::text COLLATE "C", E' \t\n\r\f\x0b') <> ''
                   AND NOT (:'trust_root_flag'::boolean AND "is_root_job" IS TRUE
                            AND btrim(coalesce(log."job_id"::text, '') COLLATE "C", E' \t\n\r\f\x0b') <> '')
              THEN log."parent_job_id"::text END AS parent,
         "root_job_id"::text AS root,
         "operation"::text AS operation,
         "category"::text AS category,
         "status"::text AS status,
         "entity_type"::text AS entity_type,
         "entity_id"::text AS entity_id,
         "duration_ms"::text AS duration_ms,
         "error_message"::text AS error_message,
         "album_id"::text AS album_id,
         "artist_id"::text AS artist_id,
         "track_id"::text AS track_id
  FROM "public"."LlamaLog" AS log
  WHERE log.ctid = page.place
) AS held) AS held
ORDER BY page.created NULLS LAST, page.is_root DESC, page.id;
