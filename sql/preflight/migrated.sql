-- Since when rows are expected to have a root: the date in the comment that the migration gave the root column.
-- Parameters: relation (the table's oid, or its name as regclass reads it), root_column.
-- Returns one row: since (a date as text, in UTC; NULL if the comment is not llamactl's). Reads only the catalogs. Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default root_column: root_job_id
SELECT coalesce(
    substring(described.text FROM '\[llamactl:(?:column|comment) ([0-9]{4}-[0-9]{2}-[0-9]{2})\]$'),
    -- Version 0.1.
    substring(described.text FROM
      '^The job at the top of this row''s chain of parents \((?:added by llamactl on|llamactl, since) ([0-9]{4}-[0-9]{2}-[0-9]{2})\)')
  ) AS since
FROM (
  SELECT (SELECT col_description(attrelid, attnum)
          FROM pg_catalog.pg_attribute
          WHERE attrelid = :'relation'::regclass AND attname = :'root_column' AND NOT attisdropped) AS text
) AS described;
