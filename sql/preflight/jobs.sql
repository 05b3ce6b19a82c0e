-- Jobs to be reported, once lineage is resolved. Parameters: depth (from which a chain counts as deep), sample.
-- Returns one row per subject that has any: subject (ambiguous, dangling, deep), number (of jobs), sample (the deepest first, else by id).
-- Lock: ACCESS SHARE (the log is read only if a job may be ambiguous or deep).
-- Default depth: 8
-- Default sample: 10
WITH job AS MATERIALIZED (
  SELECT DISTINCT rooted.job, rooted.outcome = 'a' AS ambiguous, rooted.depth
  FROM :rooted AS rooted
  WHERE rooted.job IS NOT NULL AND (rooted.outcome = 'a' OR rooted.depth >= :'depth'::integer)
    -- Else the log is not read.
    AND ((SELECT bool_or(tally.outcome = 'a') FROM pg_temp.tally)
      OR (SELECT greatest(
            (SELECT max(job_tally.max_depth) FROM pg_temp.job_tally), (SELECT max(cut.depth) FROM pg_temp.cut)) >= :'depth'::integer))
), found AS MATERIALIZED (
  SELECT 'ambiguous' AS subject, job, 0 AS depth FROM job WHERE ambiguous
  UNION ALL
  SELECT 'dangling', edge.job, 0 FROM pg_temp.edge WHERE edge.kind = 'd'
  UNION ALL
  SELECT 'deep', job, depth FROM job WHERE depth >= :'depth'::integer
)
SELECT subjects.subject, subjects.number,
  ARRAY(
    SELECT found.job FROM found WHERE found.subject = subjects.subject
    ORDER BY found.depth DESC, found.job LIMIT :'sample'::integer) AS sample
FROM (SELECT subject, count(*) AS number FROM found GROUP BY subject) AS subjects
ORDER BY 1;
