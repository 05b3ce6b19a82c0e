-- The roots that are to be written, from the resolved lineage. Parameter: overwrite (true: also those of rows that hold another
-- root than the computed one). Lock: none.
\if :{?overwrite}
\else
\set overwrite false
\endif
INSERT INTO pg_temp.root_of (job, jobless, root, dangling, parent, several)
SELECT known.job, known.jobless, known.root, known.dangling, known.parent, known.several
FROM (
  SELECT coalesce(edge.job, edge.parent) AS job, edge.job IS NULL AS jobless,
         CASE WHEN NOT lineage.dangling OR setting.fill_dangling THEN lineage.root END AS root,
         coalesce(lineage.dangling, false) AS dangling,
         edge.parent, edge.parent_hi IS NOT NULL AS several,
         edge.row_count, edge.root_count, edge.root_lo, edge.root_hi
  FROM pg_temp.edge
  CROSS JOIN pg_temp.setting
  LEFT JOIN pg_temp.lineage ON lineage.job = coalesce(edge.job, edge.parent)
  WHERE edge.job IS NOT NULL OR edge.parent IS NOT NULL
) AS known
WHERE known.root IS NOT NULL AND known.root_count < known.row_count
   OR :'overwrite'::boolean AND known.root_count > 0
      AND (known.root_lo IS DISTINCT FROM known.root OR known.root_hi <> known.root);
