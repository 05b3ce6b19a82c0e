-- The names of some entities. The table stands for one that a foreign key of the log refers to, id for its key, and
--   operation for its name or title.
-- Parameters: ids (an array, in the key's type).
-- Returns one row per entity: id, name. Lock: ACCESS SHARE.
-- Default ids: '{}'
SELECT entity."id"::text AS id, entity."operation"::text AS name
FROM "public"."LlamaLog" AS entity
WHERE entity."id" = ANY (:'ids') AND entity."operation" IS NOT NULL;
