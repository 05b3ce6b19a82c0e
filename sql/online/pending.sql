-- How much is to be written. One row: fill_rows, bare_rows (those of them that hold no root), fill_pages, clear_rows, old_rows (of all, those
-- that must be written before the run may end), filenode (the file that their places are in). Lock: none.
-- Parameter: relation (the table's oid, or its name as regclass reads it).
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
SELECT count(*) FILTER (WHERE task = 'fill') AS fill_rows,
       count(*) FILTER (WHERE task = 'fill' AND bare) AS bare_rows,
       count(DISTINCT page) FILTER (WHERE task = 'fill') AS fill_pages,
       count(*) FILTER (WHERE task = 'clear') AS clear_rows,
       count(*) FILTER (WHERE old) AS old_rows,
       pg_relation_filenode(:'relation'::regclass)::bigint AS filenode
FROM pg_temp.pending;
