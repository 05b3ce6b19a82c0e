-- The next page of a task. Parameters: task, page (the first candidate), relation (the table's oid, or its name as regclass reads it).
-- Returns one row: first (NULL: there is none), last (the last page), filenode (of the table now). Lock: none.
-- Default task: fill
-- Default page: 0
-- Default relation: '"public"."LlamaLog"'
SELECT min(page) AS first, max(page) AS last, pg_relation_filenode(:'relation'::regclass)::bigint AS filenode
FROM pg_temp.pending
WHERE task = :'task' AND NOT vain AND page >= :'page'::bigint;
