-- The rows whose root differs from the computed one, by kind, with a sample. Run only if the counts say that there are any.
-- Parameters: grace_seconds, sample. Columns: kind (missing, waiting: missing but younger than the grace period, wrong, unexpected), rows,
-- sample (an array of row, job, held, computed as JSON). Lock: ACCESS SHARE.
-- Default grace_seconds: 600
-- Default sample: 10
WITH faulty AS (
  SELECT rooted.row_id, rooted.job, rooted.root AS held, rooted.computed,
         CASE WHEN rooted.root IS NULL AND rooted.created_epoch <= extract(epoch FROM now())
                AND rooted.created_epoch > extract(epoch FROM now()) - :'grace_seconds'::numeric THEN 'waiting'
              WHEN rooted.root IS NULL THEN 'missing'
              WHEN rooted.computed IS NULL THEN 'unexpected'
              ELSE 'wrong' END AS kind
  FROM :rooted AS rooted
  WHERE rooted.root IS DISTINCT FROM rooted.computed
), numbered AS (
  SELECT kind, row_id, job, held, computed, row_number() OVER (PARTITION BY kind ORDER BY row_id COLLATE "C") AS number
  FROM faulty
)
SELECT kind, count(*) AS rows,
       jsonb_agg(jsonb_build_object('row', row_id, 'job', job, 'held', held, 'computed', computed) ORDER BY number)
         FILTER (WHERE number <= :'sample'::integer) AS sample
FROM numbered
GROUP BY kind;
