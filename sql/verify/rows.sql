-- The rows whose root differs from the computed one, by kind, with a sample. Run only if the counts say that there are any.
-- Parameters: grace_seconds, sample. Columns: kind (missing, waiting: missing but younger than the grace period, wrong, unexpected), rows,
-- sample (an array of row, job, held, computed as JSON). Lock: ACCESS SHARE.
-- Default grace_seconds: 600
-- Default sample: 10
WITH faulty AS (
  SELECT entry.row_id, entry.job, entry.root AS held, graded.root AS computed,
         CASE WHEN entry.root IS NULL AND entry.created_epoch <= extract(epoch FROM now())
                AND entry.created_epoch > extract(epoch FROM now()) - :'grace_seconds'::numeric THEN 'waiting'
              WHEN entry.root IS NULL THEN 'missing'
              WHEN graded.root IS NULL THEN 'unexpected'
              ELSE 'wrong' END AS kind
  FROM :entry AS entry
  LEFT JOIN pg_temp.graded
    ON coalesce(graded.job, graded.parent) = coalesce(entry.job, entry.parent)
   AND (graded.job IS NULL) = (entry.job IS NULL)
  WHERE entry.root IS DISTINCT FROM graded.root
), numbered AS (
  SELECT kind, row_id, job, held, computed, row_number() OVER (PARTITION BY kind ORDER BY row_id COLLATE "C") AS number
  FROM faulty
)
SELECT kind, count(*) AS rows,
       jsonb_agg(jsonb_build_object('row', row_id, 'job', job, 'held', held, 'computed', computed) ORDER BY number)
         FILTER (WHERE number <= :'sample'::integer) AS sample
FROM numbered
GROUP BY kind;
