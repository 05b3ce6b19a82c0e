-- Some of the jobs that local.sql counts, smallest id first. Parameters: check (split, unrooted or unlinked), sample.
-- Columns: job, held (a root that it holds), beside (what that disagrees with). Lock: none.
\if :{?check}
\else
\set check split
\endif
\if :{?sample}
\else
\set sample 10
\endif
WITH link AS (
  SELECT edge.job, edge.parent FROM pg_temp.edge WHERE edge.job IS NOT NULL AND edge.parent IS NOT NULL AND edge.parent_hi IS NULL
  UNION ALL
  SELECT cut_parent.job, cut_parent.parent FROM pg_temp.cut_parent
), violation AS (
  SELECT 'split' AS check, job, root_lo AS held, root_hi AS beside
  FROM pg_temp.edge
  WHERE job IS NOT NULL AND root_lo <> root_hi
  UNION ALL
  SELECT 'unrooted', top.job, CASE WHEN top.root_lo <> top.job THEN top.root_lo ELSE top.root_hi END, top.job
  FROM (SELECT root_lo FROM pg_temp.edge UNION SELECT root_hi FROM pg_temp.edge) AS held (root)
  JOIN pg_temp.edge AS top ON top.job = held.root
  WHERE top.root_lo <> top.job OR top.root_hi <> top.job
  UNION ALL
  SELECT 'unlinked', child.job, CASE WHEN child.root_lo <> parent.root_lo THEN child.root_lo ELSE child.root_hi END,
         CASE WHEN child.root_lo <> parent.root_lo THEN parent.root_lo ELSE parent.root_hi END
  FROM link
  JOIN pg_temp.edge AS child ON child.job = link.job
  JOIN pg_temp.edge AS parent ON parent.job = link.parent
  WHERE child.root_lo <> parent.root_lo OR child.root_hi <> parent.root_hi
)
SELECT DISTINCT ON (job) job, held, beside
FROM violation
WHERE violation.check = :'check'
ORDER BY job, held, beside
LIMIT :'sample'::integer;
