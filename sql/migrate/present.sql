-- The parts of the migration that exist already. Parameters: relation (the table's oid, or its name as regclass reads it), root_column,
-- check (the constraint's name), index (the index's name).
-- Returns one row: index_present (a plain valid index on the root column alone, whatever its name), index_ours (it has llamactl's name
-- and the definition in create_index.sql), index_marked (by mark_index.sql), check_present, check_validated (not NOT VALID),
-- check_enforced (since Postgres 18 a CHECK may be NOT ENFORCED), comment_present, schema_present; index_count (of the table's indexes,
-- for estimates). Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default root_column: root_job_id
-- Default check: 'LlamaLog_job_id_not_parent_check'
-- Default index: 'LlamaLog_root_job_id_idx'
WITH root AS (
  SELECT attnum, attcollation
  FROM pg_catalog.pg_attribute
  WHERE attrelid = :'relation'::regclass AND attname = :'root_column' AND NOT attisdropped
), plain AS (
  SELECT c.relname,
         -- As defined in create_index.sql, so that it may be dropped and rebuilt. A comment of the user would be lost.
         NOT i.indisunique AND c.reloptions IS NULL AND c.reltablespace = 0 AND i.indoption::text = '0' AND NOT i.indisclustered
           AND i.indcollation[0] = root.attcollation
           AND (SELECT opcdefault FROM pg_catalog.pg_opclass WHERE oid = i.indclass[0])
           AND coalesce(described.ours, true) AS as_made,
         described.ours AS marked
  FROM pg_catalog.pg_index AS i
  CROSS JOIN LATERAL (
    SELECT obj_description(i.indexrelid, 'pg_class') LIKE ANY (ARRAY['%[llamactl:index]', 'Made by llamactl.']) AS ours
  ) AS described
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
  JOIN root ON i.indkey::text = root.attnum::text
  WHERE i.indrelid = :'relation'::regclass AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
    AND am.amname = 'btree'
)
SELECT EXISTS (SELECT FROM plain) AS index_present,
       EXISTS (SELECT FROM plain WHERE relname = :'index' AND as_made) AS index_ours,
       EXISTS (SELECT FROM plain WHERE relname = :'index' AND marked) AS index_marked,
       EXISTS (
         SELECT FROM pg_catalog.pg_constraint
         WHERE conrelid = :'relation'::regclass AND contype = 'c' AND conname = :'check') AS check_present,
       EXISTS (
         SELECT FROM pg_catalog.pg_constraint
         WHERE conrelid = :'relation'::regclass AND contype = 'c' AND conname = :'check' AND convalidated) AS check_validated,
       EXISTS (
         SELECT FROM pg_catalog.pg_constraint AS k
         WHERE k.conrelid = :'relation'::regclass AND k.contype = 'c' AND k.conname = :'check'
           AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false') AS check_enforced,
       coalesce((SELECT col_description(:'relation'::regclass, attnum) FROM root), '') <> '' AS comment_present,
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'llamactl') AS schema_present,
       (SELECT count(*) FROM pg_catalog.pg_index WHERE indrelid = :'relation'::regclass) AS index_count;
