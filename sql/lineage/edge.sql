-- The log, grouped in one pass: one row per job. Lock: ACCESS SHARE.
INSERT INTO pg_temp.edge (job, parent, parent_hi, row_count, parent_count, root_lo, root_hi,
                          root_count, disregarded_count, self_parent_count)
SELECT job, min(parent), nullif(max(parent), min(parent)), count(*), count(parent), min(root),
       nullif(max(root), min(root)), count(root),
       count(disregarded_parent), count(*) FILTER (WHERE self_parent)
FROM :entry AS entry
GROUP BY job, CASE WHEN job IS NULL THEN parent END;

ANALYZE pg_temp.edge (job, parent, parent_hi, root_hi);
