-- What happens to the parents that were cleared. Parameters: relation (the table's oid, or its name as regclass reads it), schema,
-- table.
-- Returns one row: restored (rows whose parent is restored), restored_from_0_1 (of these, by a record of 0.1), kept (rows that have a
-- parent now), back (of these, the one that was cleared), gone, other_row, other_key, misfit (records that match no row, by reason:
-- create_matched.sql), unmatched_from_0_1 (of these, the records of 0.1), other_oid (records of a table with another oid), done
-- (records that undo no longer needs), renamed (records of this table under another name), others (all that are under other names),
-- formerly (the names of `renamed`), lost (tables that have records but do not exist). Run it after match_parents.sql.
-- Lock: none on the user's table.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
WITH elsewhere AS (
  SELECT other.name, other.renamed, other.lost
  FROM (SELECT NULL::oid AS table_oid) AS absent  -- the table of 0.1 lacks it
  CROSS JOIN LATERAL (
    SELECT format('%I.%I', cleared_parent.table_schema, cleared_parent.table_name) AS name,
           table_oid IS NOT DISTINCT FROM :'relation'::regclass::oid AS renamed,
           NOT EXISTS (
             SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname::text = cleared_parent.table_schema AND c.relname::text = cleared_parent.table_name) AS lost
    FROM llamactl.cleared_parent
    WHERE (cleared_parent.table_schema, cleared_parent.table_name) <> (:'schema', :'table')
  ) AS other
)
SELECT count(*) FILTER (WHERE outcome = 'restored') AS restored,
       count(*) FILTER (WHERE outcome = 'restored' AND of_0_1) AS restored_from_0_1,
       count(DISTINCT place) FILTER (WHERE outcome = 'kept') AS kept,
       count(DISTINCT place) FILTER (WHERE outcome = 'kept' AND back) AS back,
       count(*) FILTER (WHERE outcome = 'gone') AS gone,
       count(*) FILTER (WHERE outcome = 'other_row') AS other_row,
       count(*) FILTER (WHERE outcome = 'other_key') AS other_key,
       count(*) FILTER (WHERE outcome = 'misfit') AS misfit,
       count(*) FILTER (WHERE outcome IN ('gone', 'other_row', 'other_key', 'misfit') AND of_0_1) AS unmatched_from_0_1,
       count(*) FILTER (WHERE other_oid) AS other_oid,
       count(*) FILTER (WHERE outcome IN ('restored', 'superseded', 'kept')) AS done,
       (SELECT count(*) FROM elsewhere WHERE renamed) AS renamed,
       (SELECT count(*) FROM elsewhere) AS others,
       ARRAY(SELECT DISTINCT name FROM elsewhere WHERE renamed ORDER BY 1) AS formerly,
       ARRAY(SELECT DISTINCT name FROM elsewhere WHERE lost ORDER BY 1) AS lost
FROM pg_temp.matched;
