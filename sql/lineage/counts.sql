-- Counts the rows of the log by lineage. One row; its columns are those of the JSON, nested names joined by "_"; `missing` counts the
-- rows without their computed root. Rows that no walk from a top reaches are cyclic.
-- Nested loops must be off, since the planner only guesses the size of `mixed`.
-- Lock: ACCESS SHARE (the log is read only if the rows of one job store different roots).
WITH class AS MATERIALIZED (
  SELECT ambiguous,
         dangling,
         root IS NOT NULL AS filled,
         root IS NOT DISTINCT FROM job AND job IS NOT NULL AS own,
         CASE WHEN depth IS NOT NULL THEN least(depth, 20) END AS depth,
         max(depth) AS max_depth,
         count(*) AS jobs,
         sum(row_count)::bigint AS rows,
         sum(row_count - root_count)::bigint AS bare,
         coalesce(sum(root_count) FILTER (WHERE held = 'r' AND root IS NOT NULL), 0)::bigint AS matching,
         bool_or(held = 'm') AS mixed
  FROM pg_temp.graded
  GROUP BY 1, 2, 3, 4, 5
), mixed AS (
  SELECT count(*) AS matching
  FROM :entry AS entry
  JOIN pg_temp.graded
    ON coalesce(graded.job, graded.parent) = coalesce(entry.job, entry.parent)
   AND (graded.job IS NULL) = (entry.job IS NULL)
  WHERE graded.held = 'm' AND entry.root = graded.root
    AND (SELECT bool_or(class.mixed) FROM class)  -- else the log is not read
), log AS (
  SELECT coalesce(sum(row_count), 0)::bigint AS rows,
         coalesce(sum(root_count), 0)::bigint AS held,
         coalesce(sum(row_count) FILTER (WHERE job IS NULL AND parent IS NULL), 0)::bigint AS untracked
  FROM pg_temp.edge
), known AS (
  SELECT coalesce(sum(rows), 0)::bigint AS rows,
         coalesce(sum(rows) FILTER (WHERE filled), 0)::bigint AS filled,
         coalesce(sum(rows) FILTER (WHERE filled AND own), 0)::bigint AS filled_by_root,
         coalesce(sum(rows) FILTER (WHERE filled AND NOT own), 0)::bigint AS filled_by_descendant,
         coalesce(sum(rows) FILTER (WHERE ambiguous), 0)::bigint AS ambiguous,
         coalesce(sum(rows) FILTER (WHERE dangling), 0)::bigint AS dangling,
         coalesce(sum(rows) FILTER (WHERE dangling AND NOT filled), 0)::bigint AS dangling_null,
         coalesce(sum(matching), 0)::bigint AS matching,
         coalesce(sum(bare) FILTER (WHERE filled), 0)::bigint AS missing,
         coalesce(max(max_depth), 0) AS max_depth
  FROM class
)
SELECT log.rows AS total,
       known.filled,
       log.rows - known.filled AS orphans,
       known.filled_by_root,
       known.filled_by_descendant,
       log.untracked AS orphans_by_untracked,
       log.rows - log.untracked - known.rows AS orphans_by_cyclic,
       known.ambiguous AS orphans_by_ambiguous,
       known.dangling_null AS orphans_by_dangling,
       known.dangling,
       known.matching + mixed.matching AS already_set,
       log.held - known.matching - mixed.matching AS conflicts,
       known.missing,
       known.max_depth,
       (SELECT array_agg(coalesce(depth_jobs.jobs, 0)::bigint ORDER BY bucket)
        FROM generate_series(0, 20) AS bucket
        LEFT JOIN (SELECT depth, sum(jobs) AS jobs FROM class WHERE depth IS NOT NULL GROUP BY depth) AS depth_jobs
          ON depth_jobs.depth = bucket) AS jobs_by_depth
FROM log, known, mixed;
