-- The parents of the nodes, from a pass over their rows. Sorts must be off, as for named.sql. Lock: ACCESS SHARE.
INSERT INTO pg_temp.edge (number, parent, kind, job, root_lo, root_hi)
SELECT node.number, CASE WHEN grouped.lo = grouped.hi THEN grouped.lo ELSE 0 END,
       CASE WHEN grouped.number IS NULL THEN 'd'::"char" WHEN grouped.lo <> grouped.hi THEN 'c'::"char" WHEN grouped.lo = 0 THEN 'r'::"char"
         ELSE 'p'::"char" END,
       node.job, grouped.root_lo, grouped.root_hi
FROM pg_temp.node
LEFT JOIN (
  SELECT own.number, min(coalesce(above.number, 0)) AS lo, max(coalesce(above.number, 0)) AS hi,
         min(entry.root) AS root_lo, nullif(max(entry.root), min(entry.root)) AS root_hi
  FROM :entry AS entry
  JOIN pg_temp.node AS own ON own.job = entry.job
  LEFT JOIN pg_temp.node AS above ON above.job = entry.parent
  GROUP BY own.number
) AS grouped ON grouped.number = node.number;

ANALYZE pg_temp.edge (number, parent, kind);
