-- The entries that are in the table, by id.
-- Parameters: entries (a JSON array of objects with the names of the columns).
-- Returns one row for each of them: position, from 1.
-- Lock: ACCESS SHARE.
-- Default entries: '[]'
SELECT given.position
FROM pg_catalog.json_array_elements(:'entries'::pg_catalog.json) WITH ORDINALITY AS given(entry, position)
CROSS JOIN LATERAL pg_catalog.json_populate_record(NULL::"public"."LlamaLog", given.entry) AS filled
WHERE EXISTS (
  SELECT FROM "public"."LlamaLog" AS log WHERE log."id" OPERATOR(pg_catalog.=) filled."id"
)
ORDER BY given.position;
