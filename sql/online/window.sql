-- The next page of a task. Parameters: task, page (from here on), relation (the table's oid, or its name as regclass reads it).
-- Returns one row: first (NULL: none is left), last (the last one), filenode (of the table now). Lock: none.
\if :{?task}
\else
\set task fill
\endif
\if :{?page}
\else
\set page 0
\endif
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
SELECT min(page) AS first, max(page) AS last, pg_relation_filenode(:'relation'::regclass)::bigint AS filenode
FROM pg_temp.pending
WHERE task = :'task' AND NOT vain AND page >= :'page'::bigint;
