-- Finds the row of each saved parent. Never by the key alone: a table that is filled again has other rows with the same keys. The row must
-- have the recorded job, and, if the table's oid is not the recorded one (it was recreated, or restored from a dump), the root flag too.
-- 0.1 recorded no job: then the row must have the root flag.
-- A key is compared in its own type, so that its index can be used; a record with another type matches nothing. Those of 0.1, which
-- recorded no type, are compared as text.
-- Parameters: relation (the table's oid, or its name as regclass reads it), schema, table, key_column, key_type (of the column that
-- identifies a row), max_length, bound, padded (of the parent column, as in lineage/misfits.sql), uuid (it is of type uuid). Returns
-- nothing. Run it after create_matched.sql. Lock: ACCESS SHARE.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
-- Default key_column: id
-- Default key_type: uuid
-- Default id_cast: uuid
-- Default max_length: 100
-- Default bound: ''
-- Default padded: false
-- Default uuid: false
WITH former AS (
  DELETE FROM pg_temp.matched
), saved AS MATERIALIZED (
  SELECT own.record, own.row_id, own.parent, own.cleared_at, own.number, own.job, own.same_key,
         coalesce(own.table_oid <> :'relation'::regclass::oid, false) AS other_oid,
         CASE WHEN :'uuid'::boolean THEN own.parent ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
           WHEN nullif(:'bound', '') IS NOT NULL THEN
             CASE WHEN own.parent ~ '^-?[0-9]{1,19}$'
               THEN own.parent::numeric BETWEEN -nullif(:'bound', '')::numeric AND nullif(:'bound', '')::numeric - 1
               ELSE false END
           ELSE coalesce(char_length(own.parent) <= nullif(:'max_length', '')::integer, true)
             AND NOT (:'padded'::boolean AND own.parent <> rtrim(own.parent, ' ')) END AS fits
  FROM (  -- the table of 0.1 lacks these
    SELECT NULL::bigint AS id, NULL::oid AS table_oid, NULL::text AS key_column, NULL::text AS key_type, NULL::text AS job_id
  ) AS absent
  CROSS JOIN LATERAL (
    SELECT cleared_parent.ctid AS record, cleared_parent.row_id, cleared_parent.parent_job_id AS parent, cleared_parent.cleared_at,
           id AS number, job_id AS job, table_oid,
           key_type = :'key_type'
             AND (key_column = :'key_column' OR NOT EXISTS (  -- renamed
               SELECT FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = :'relation'::regclass AND a.attname::text = key_column AND NOT a.attisdropped)) AS same_key
    FROM llamactl.cleared_parent
    WHERE cleared_parent.table_schema = :'schema' AND cleared_parent.table_name = :'table'
  ) AS own
), keyed AS MATERIALIZED (
  SELECT saved.record, log.ctid AS place, log."job_id"::text COLLATE "C" AS job, log."parent_job_id"::text COLLATE "C" AS parent
  FROM saved
  JOIN "public"."LlamaLog" AS log
    ON CAST(log."id" AS :id_cast) = CASE WHEN saved.same_key THEN CAST(saved.row_id AS :id_cast) END
  WHERE saved.job IS NOT NULL
  UNION ALL
  SELECT saved.record, log.ctid, log."job_id"::text COLLATE "C", log."parent_job_id"::text COLLATE "C"
  FROM saved
  JOIN "public"."LlamaLog" AS log ON log."id"::text COLLATE "C" = saved.row_id
  WHERE saved.job IS NULL
), found AS (
  SELECT keyed.record, keyed.place, keyed.job, keyed.parent, seen.flagged
  FROM (SELECT NULL::boolean AS "is_root_job") AS absent
  CROSS JOIN keyed
  CROSS JOIN LATERAL (
    SELECT "is_root_job"::text IS NOT DISTINCT FROM 'true' AS flagged FROM "public"."LlamaLog" AS log WHERE log.ctid = keyed.place
  ) AS seen
), judged AS (
  SELECT saved.record, saved.job IS NULL AS of_0_1, saved.other_oid, saved.parent, saved.cleared_at, saved.number, saved.fits,
         saved.job IS NULL OR saved.same_key AS same_key, found.place, found.parent AS parent_now,
         CASE WHEN saved.job IS NULL THEN found.flagged
           ELSE found.job = saved.job AND (found.flagged OR NOT saved.other_oid) END AS same_row
  FROM saved
  LEFT JOIN found ON found.record = saved.record
)
INSERT INTO pg_temp.matched (record, of_0_1, other_oid, parent, place, back, outcome)
SELECT judged.record, judged.of_0_1, judged.other_oid, judged.parent, judged.place,
       judged.same_row AND judged.parent_now = judged.parent,
       CASE WHEN NOT judged.same_key THEN 'other_key'
         WHEN judged.place IS NULL THEN 'gone'
         WHEN judged.same_row IS NOT TRUE THEN 'other_row'
         WHEN judged.parent_now IS NOT NULL THEN 'kept'
         WHEN NOT first_value(judged.fits) OVER newest THEN 'misfit'
         WHEN row_number() OVER newest > 1 THEN 'superseded'
         ELSE 'restored' END
FROM judged
WINDOW newest AS (
  PARTITION BY judged.place, judged.same_row, judged.parent_now IS NULL
  ORDER BY judged.cleared_at DESC, judged.number DESC NULLS LAST
);
