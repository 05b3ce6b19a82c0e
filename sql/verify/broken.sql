-- Checks lineage locally, from stored roots only, whatever was computed: one row per job and disagreement.
--   check   split     the job's rows store different roots
--           unrooted  it is the root of other jobs, but stores another root itself
--           unlinked  it stores another root than its parent
--   held    a root that it stores;  beside: what that disagrees with
-- Files read it as `FROM :broken AS broken`. Returns: check, job, held, beside. Lock: none. Run it after lineage/create.sql.
SELECT 'split' AS check, job, root_lo AS held, root_hi AS beside
FROM pg_temp.edge
WHERE job IS NOT NULL AND root_hi IS NOT NULL
UNION ALL
SELECT 'unrooted', top.job, CASE WHEN top.root_lo <> top.job THEN top.root_lo ELSE top.root_hi END, top.job
FROM pg_temp.edge AS top
WHERE (top.root_lo <> top.job OR top.root_hi <> top.job)
  AND top.job IN (
    SELECT root_lo FROM pg_temp.edge
    UNION ALL
    SELECT root_hi FROM pg_temp.edge WHERE root_hi IS NOT NULL
  )
UNION ALL
SELECT 'unlinked', child.job, CASE WHEN child.root_lo <> parent.root_lo THEN child.root_lo ELSE coalesce(child.root_hi, child.root_lo) END,
       CASE WHEN child.root_lo <> parent.root_lo THEN parent.root_lo ELSE coalesce(parent.root_hi, parent.root_lo) END
FROM pg_temp.edge AS child
JOIN pg_temp.inner_job AS parent ON parent.job = child.parent
WHERE child.job IS NOT NULL AND child.parent_hi IS NULL
  AND (child.root_lo <> parent.root_lo OR coalesce(child.root_hi, child.root_lo) <> coalesce(parent.root_hi, parent.root_lo))
UNION ALL
SELECT 'unlinked', child.job, CASE WHEN child.root_lo <> parent.root_lo THEN child.root_lo ELSE coalesce(child.root_hi, child.root_lo) END,
       CASE WHEN child.root_lo <> parent.root_lo THEN parent.root_lo ELSE coalesce(parent.root_hi, parent.root_lo) END
FROM pg_temp.cut_parent
JOIN pg_temp.edge AS child ON child.job = cut_parent.job
JOIN pg_temp.inner_job AS parent ON parent.job = cut_parent.parent
WHERE child.root_lo <> parent.root_lo OR coalesce(child.root_hi, child.root_lo) <> coalesce(parent.root_hi, parent.root_lo);
