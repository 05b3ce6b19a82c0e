-- Rows to be reported, once lineage is resolved. Parameters: sample.
-- Returns one row per subject that has any: subject (blank, self-parent, contradictory), number (of rows), sample (row ids).
-- Lock: ACCESS SHARE (reads every row).
-- Default sample: 10
WITH found AS MATERIALIZED (
  SELECT row_id, blank, self_parent, disregarded_parent IS NOT NULL AS contradictory
  FROM :entry AS entry
  WHERE blank OR self_parent OR disregarded_parent IS NOT NULL
), told AS (
  SELECT 'blank' AS subject, row_id FROM found WHERE blank
  UNION ALL
  SELECT 'self-parent', row_id FROM found WHERE self_parent
  UNION ALL
  SELECT 'contradictory', row_id FROM found WHERE contradictory
)
SELECT subjects.subject, subjects.number,
  ARRAY(
    SELECT told.row_id FROM told WHERE told.subject = subjects.subject
    ORDER BY told.row_id COLLATE "C" LIMIT :'sample'::integer) AS sample
FROM (SELECT subject, count(*) AS number FROM told GROUP BY subject) AS subjects
ORDER BY 1;
