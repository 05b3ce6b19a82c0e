-- Whole rows of the log, every column as text, for a report.
-- Parameters: ids (an array of row ids), most (the maximum number of characters of a value).
-- Returns one row per row: id (as text), names (of the columns, in order), texts (their values, truncated; NULL for NULL),
--   sizes (the full length of the values in characters), structured (which of them are JSON arrays or objects).
-- Lock: ACCESS SHARE.
-- Default ids: '{}'
-- Default most: 10000
SELECT log.id, whole.names, whole.texts, whole.sizes, whole.structured
FROM (
  SELECT log."id"::text AS id,
         -- Not jsonb, so that columns keep their order, and numbers their notation. A column of type json may contain
         -- escapes that text cannot (NUL, lone surrogates): their backslash is doubled, so that they are kept.
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
