-- The cyclic nodes, numbered in the order of their ids. A cyclic job that is no node is in no cycle.
-- Parameters: integers (the ids are integers, and are ordered as such; otherwise bytewise).
-- Lock: none.
-- Default integers: false
INSERT INTO pg_temp.cyclic (number, node, job)
SELECT row_number() OVER (ORDER BY CASE WHEN :'integers'::boolean THEN node.job::numeric END, node.job), node.number, node.job
FROM pg_temp.node
LEFT JOIN pg_temp.lineage ON lineage.number = node.number
WHERE lineage.number IS NULL;
