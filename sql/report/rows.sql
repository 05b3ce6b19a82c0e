-- Whole rows of the log, every column as text, for a report.
-- Parameters: ids (an array of them), most (characters that one value may have).
-- Returns one row a row: id (as text), names (of the columns, in their order), texts (their values, cut; NULL: NULL),
--   sizes (the values' characters, uncut), structured (which of them are JSON arrays and objects).
-- Lock: ACCESS SHARE.
-- Default ids: '{}'
-- Default most: 10000
SELECT log.id, whole.names, whole.texts, whole.sizes, whole.structured
FROM (
  SELECT log."id"::text AS id,
         -- Not jsonb: the columns keep their order, and numbers stay as they are written. A column of type json may
         -- hold escapes that no text can (NUL, half of a surrogate pair): their backslash is doubled, so that they stay.
         regexp_replace(row_to_json(log.*)::text, '(?<!\\)((?:\\\\)*)\\(u0000|u[dD][89a-fA-F])', '\1\\\\\2', 'g')::json AS columns
  FROM "public"."LlamaLog" AS log
  WHERE log."id" = ANY (:'ids')
) AS log
CROSS JOIN LATERAL (
  SELECT array_agg(entry.key) AS names, array_agg(left(entry.text, :'most'::integer)) AS texts,
         array_agg(length(entry.text)) AS sizes, array_agg(entry.kind IN ('object', 'array')) AS structured
  FROM (
    SELECT key, json_typeof(value) AS kind, CASE json_typeof(value) WHEN 'null' THEN NULL ELSE value #>> '{}' END AS text
    FROM json_each(log.columns)
  ) AS entry
) AS whole;
