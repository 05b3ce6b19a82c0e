-- Lineage checked locally, from the roots that are held, whatever was computed. One row:
--   split       jobs whose rows hold different roots
--   unrooted    jobs that are somebody's root, and hold another one themselves
--   unlinked    jobs that hold another root than their parent
-- Lock: none.
WITH link AS (
  SELECT edge.job, edge.parent FROM pg_temp.edge WHERE edge.job IS NOT NULL AND edge.parent IS NOT NULL AND edge.parent_hi IS NULL
  UNION ALL
  SELECT cut_parent.job, cut_parent.parent FROM pg_temp.cut_parent
)
SELECT (SELECT count(*) FROM pg_temp.edge WHERE job IS NOT NULL AND root_lo <> root_hi) AS split,
       (SELECT count(*)
        FROM (SELECT root_lo FROM pg_temp.edge UNION SELECT root_hi FROM pg_temp.edge) AS held (root)
        JOIN pg_temp.edge AS top ON top.job = held.root
        WHERE top.root_lo <> top.job OR top.root_hi <> top.job) AS unrooted,
       (SELECT count(DISTINCT link.job)
        FROM link
        JOIN pg_temp.edge AS child ON child.job = link.job
        JOIN pg_temp.edge AS parent ON parent.job = link.parent
        WHERE child.root_lo <> parent.root_lo OR child.root_hi <> parent.root_hi) AS unlinked;
