-- Jobs to be reported, once lineage is resolved. Parameters: depth (from which a chain counts as deep), sample.
-- Returns one row per subject that has any: subject (ambiguous, dangling, deep), number (of jobs), sample (the deepest first, else by id).
-- Lock: none.
-- Default depth: 8
-- Default sample: 10
WITH found AS MATERIALIZED (
  SELECT 'ambiguous' AS subject, job, 0 AS depth FROM pg_temp.lineage WHERE ambiguous
  UNION ALL
  SELECT 'dangling', job, 0 FROM pg_temp.walk WHERE kind = 'd' AND steps = 0
  UNION ALL
  SELECT 'deep', job, lineage.depth FROM pg_temp.lineage WHERE lineage.depth >= :'depth'::integer
)
SELECT subjects.subject, subjects.number,
  ARRAY(
    SELECT found.job FROM found WHERE found.subject = subjects.subject
    ORDER BY found.depth DESC, found.job LIMIT :'sample'::integer) AS sample
FROM (SELECT subject, count(*) AS number FROM found GROUP BY subject) AS subjects
ORDER BY 1;
