-- Counts what is to be written, and what was tried without success. One row: fill_rows, bare_rows (those of them without a root),
-- fill_pages, clear_rows, old_rows (of all, those that must be written before the run may end), old_left (old_rows, and those that are
-- not tried again), retried (of all, those that were tried before), lost (rows that do not have the root that was written), altered
-- (those of them with another root), bare_vain (those of them without a root that are not tried again), unfilled (if rows are lost, all
-- rows without their root: the run ends before all were tried), uncleared (likewise for parents), tried (rows that the session has tried
-- to fill and has recorded), shape (of the table that the places refer to: see shape.sql). Lock: none.
-- Parameter: relation (the table's oid, or its name as regclass reads it).
-- Default relation: '"public"."LlamaLog"'
SELECT count(*) FILTER (WHERE task = 'fill' AND NOT vain) AS fill_rows,
       count(*) FILTER (WHERE task = 'fill' AND NOT vain AND bare) AS bare_rows,
       count(DISTINCT page) FILTER (WHERE task = 'fill' AND NOT vain) AS fill_pages,
       count(*) FILTER (WHERE task = 'clear' AND NOT vain) AS clear_rows,
       count(*) FILTER (WHERE old AND NOT vain) AS old_rows,
       count(*) FILTER (WHERE old) AS old_left,
       count(*) FILTER (WHERE attempts > 0 AND NOT vain) AS retried,
       count(*) FILTER (WHERE task = 'fill' AND attempts > 0) AS lost,
       count(*) FILTER (WHERE task = 'fill' AND attempts > 0 AND NOT bare) AS altered,
       count(*) FILTER (WHERE task = 'fill' AND vain AND bare) AS bare_vain,
       CASE WHEN bool_or(task = 'fill' AND attempts > 0) THEN count(*) FILTER (WHERE task = 'fill') ELSE 0 END AS unfilled,
       CASE WHEN bool_or(task = 'clear' AND attempts > 0) THEN count(*) FILTER (WHERE task = 'clear') ELSE 0 END AS uncleared,
       (SELECT count(DISTINCT tried.row_id) FROM pg_temp.tried WHERE tried.task = 'fill') AS tried,
       (SELECT shape.parts FROM :shape AS shape WHERE shape.relation = :'relation'::regclass::oid) AS shape
FROM pg_temp.pending;
