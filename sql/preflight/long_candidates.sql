-- Stores the roots that may not fit an entry of a btree index, once lineage is resolved, for long_roots.sql.
-- Lock: ACCESS SHARE (reads every row).
INSERT INTO pg_temp.suspect (job)
SELECT DISTINCT rooted.computed
FROM :rooted AS rooted
WHERE octet_length(rooted.computed) > 2692;
