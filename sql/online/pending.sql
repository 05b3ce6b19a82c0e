-- How much is to be written. One row: fill_rows, bare_rows (those of them that hold no root), fill_pages,
-- clear_rows, old_rows (of all, those that must be written before the run may end), filenode (the file that the pages are of). Lock: none.
-- Parameter: relation (the table's oid, or its name as regclass reads it).
\if :{?relation}
\else
\set relation '"public"."LlamaLog"'
\endif
SELECT coalesce(sum(rows) FILTER (WHERE task = 'fill'), 0)::bigint AS fill_rows,
       coalesce(sum(bare) FILTER (WHERE task = 'fill'), 0)::bigint AS bare_rows,
       count(*) FILTER (WHERE task = 'fill') AS fill_pages,
       coalesce(sum(rows) FILTER (WHERE task = 'clear'), 0)::bigint AS clear_rows,
       coalesce(sum(old), 0)::bigint AS old_rows,
       pg_relation_filenode(:'relation'::regclass)::bigint AS filenode
FROM pg_temp.pending;
