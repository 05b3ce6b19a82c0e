-- The cyclic jobs, numbered in the order of their ids.
-- Parameters: integers (the ids are integers, and are ordered as such; otherwise bytewise).
-- Lock: none.
-- Default integers: false
INSERT INTO pg_temp.cyclic (number, job)
SELECT row_number() OVER (ORDER BY CASE WHEN :'integers'::boolean THEN edge.job::numeric END, edge.job), edge.job
FROM pg_temp.edge
LEFT JOIN pg_temp.lineage ON lineage.job = edge.job
WHERE edge.job IS NOT NULL AND lineage.job IS NULL;
