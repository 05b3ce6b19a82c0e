-- The object that has the name of a wanted index in the table's schema, and the session that is building an index on the table.
-- Reads only the catalogs.
-- Parameters: relation (oid, or a name as regclass reads it), index (the name), columns (of the wanted index, in order).
-- Returns one row: what (a description of the object that has the name; NULL: none), as_wanted (it is a plain btree index on these
--   columns of the table, as created without further options), valid (and ready, and live), ours (its comment says that llamactl
--   created it), builder (the pid of another session that is building an index on the table or, if hidden from the role, may be; or NULL).
-- Default relation: '"public"."LlamaLog"'
-- Default index: 'LlamaLog_job_id_parent_job_id_idx'
-- Default columns: '{job_id,parent_job_id}'
SELECT
  CASE WHEN i.indexrelid IS NULL THEN pg_describe_object('pg_class'::regclass, c.oid, 0) ELSE pg_get_indexdef(c.oid) END AS what,
  coalesce(i.indrelid = own.oid AND am.amname = 'btree' AND i.indpred IS NULL AND NOT i.indisunique AND c.reloptions IS NULL
    AND i.indnatts = i.indnkeyatts
    AND ARRAY(SELECT a.attname::text
              FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS part (attnum, number)
              LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
              ORDER BY part.number) = :'columns'::text[]
    AND NOT EXISTS (
      SELECT
      FROM unnest(i.indkey::int2[], i.indoption::int2[], i.indclass::oid[], i.indcollation::oid[])
        AS part (attnum, option, class, collation_id)
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
      JOIN pg_catalog.pg_opclass AS o ON o.oid = part.class
      WHERE part.option <> 0 OR NOT o.opcdefault OR part.collation_id <> a.attcollation), false) AS as_wanted,
  coalesce(i.indisvalid AND i.indisready AND i.indislive, false) AS valid,
  coalesce(obj_description(c.oid, 'pg_class') LIKE ANY (ARRAY['%[llamactl:%index]', 'Made by llamactl%']), false) AS ours,
  (SELECT min(locks.pid)
   FROM pg_catalog.pg_locks AS locks
   JOIN pg_catalog.pg_stat_activity AS other ON other.pid = locks.pid
   WHERE locks.locktype = 'relation' AND locks.relation = own.oid AND locks.granted
     AND locks.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
     AND locks.mode = 'ShareUpdateExclusiveLock' AND locks.pid <> pg_backend_pid()
     AND other.usesysid IS NOT NULL  -- autovacuum has no user
     AND (other.backend_type IS NULL OR other.query ~* 'index.*\mconcurrently\M')) AS builder
FROM pg_catalog.pg_class AS own
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = own.relnamespace AND c.relname::text = :'index'::text
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
WHERE own.oid = :'relation'::regclass;
