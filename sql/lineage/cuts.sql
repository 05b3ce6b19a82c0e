-- The jobs with several parents, and those parents. Lock: ACCESS SHARE (the log is read only if there are such jobs).
INSERT INTO pg_temp.cut (job)
SELECT job FROM pg_temp.edge WHERE parent_hi IS NOT NULL;

ANALYZE pg_temp.cut;

INSERT INTO pg_temp.cut_parent (job, parent)
SELECT DISTINCT entry.job, entry.parent
FROM :entry AS entry
JOIN pg_temp.cut ON cut.job = entry.job
WHERE entry.parent IS NOT NULL;

ANALYZE pg_temp.cut_parent;
