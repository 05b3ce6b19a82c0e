-- The next page of a task, and the shape of the table. Parameters: task, page (the first candidate), relation (the table's oid, or its
-- name as regclass reads it). Returns one row: first (NULL: there is none), shape (its parts: see shape.sql; NULL: the table was dropped).
-- Lock: none.
-- Default task: fill
-- Default page: 0
-- Default relation: '"public"."LlamaLog"'
SELECT pages.first, shape.parts AS shape
FROM (SELECT min(page) AS first FROM pg_temp.pending WHERE task = :'task' AND NOT vain AND page >= :'page'::bigint) AS pages
LEFT JOIN :shape AS shape ON shape.relation = :'relation'::regclass::oid;
