-- Checks lineage locally, from stored roots only, whatever was computed: one row per job and disagreement.
--   check   split     the job's rows store different roots
--           unrooted  it is the root of other jobs, but stores another root itself
--           unlinked  it stores another root than its parent
--   held    a root that it stores;  beside: what that disagrees with
-- Files read it as `FROM :broken AS broken`. Returns: check, job, held, beside. Run it after suspects.sql.
-- Lock: ACCESS SHARE (the log is read only if there are suspects).
WITH stored AS MATERIALIZED (
  SELECT entry.job, min(entry.root) AS root_lo, max(entry.root) AS root_hi
  FROM :entry AS entry
  JOIN pg_temp.suspect ON suspect.job = entry.job
  GROUP BY entry.job
), child AS (
  SELECT DISTINCT entry.job, entry.parent
  FROM :entry AS entry
  JOIN pg_temp.suspect ON suspect.job = entry.job
  WHERE entry.parent IS NOT NULL
)
SELECT 'split' AS check, stored.job, stored.root_lo AS held, stored.root_hi AS beside
FROM stored
WHERE stored.root_lo <> stored.root_hi
UNION ALL
SELECT 'unrooted', stored.job, CASE WHEN stored.root_lo <> stored.job THEN stored.root_lo ELSE stored.root_hi END, stored.job
FROM stored
WHERE (stored.root_lo <> stored.job OR stored.root_hi <> stored.job)
  AND stored.job IN (SELECT entry.root FROM :entry AS entry JOIN pg_temp.suspect ON suspect.job = entry.root)
UNION ALL
SELECT 'unlinked', child.job, CASE WHEN stored.root_lo <> parent.root_lo THEN stored.root_lo ELSE stored.root_hi END,
       CASE WHEN stored.root_lo <> parent.root_lo THEN parent.root_lo ELSE coalesce(parent.root_hi, parent.root_lo) END
FROM child
JOIN stored ON stored.job = child.job
JOIN pg_temp.edge AS parent ON parent.job = child.parent
WHERE stored.root_lo <> parent.root_lo OR stored.root_hi <> coalesce(parent.root_hi, parent.root_lo);
