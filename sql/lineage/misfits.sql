-- Dangling parents that are to be filled in but do not fit the root column, which has job_id's type. Parameters: max_length (in
-- characters; empty: unbounded), bound (integers are in -bound ... bound - 1; empty: not integers), padded (the type drops trailing
-- spaces), sample, longest (the number of characters of each that are shown).
-- Columns: jobs, misfit, sample.
-- An id that is too long only because of trailing spaces counts too: the assignment would truncate it silently. Lock: none.
-- Default max_length: 100
-- Default bound: ''
-- Default padded: false
-- Default sample: 10
-- Default longest: 2147483647
SELECT count(*) AS jobs, count(*) > 0 AS misfit,
       coalesce((array_agg(left(top, :'longest'::integer) ORDER BY top))[1 : :'sample'::integer], '{}') AS sample
FROM (SELECT edge.job AS top FROM pg_temp.edge WHERE edge.kind = 'd') AS dangling
WHERE (SELECT setting.fill_dangling FROM pg_temp.setting)
  AND (:'padded'::boolean AND top <> rtrim(top, ' ')
    OR char_length(top) > nullif(:'max_length', '')::integer
    OR CASE WHEN nullif(:'bound', '') IS NOT NULL
         THEN top::numeric NOT BETWEEN -nullif(:'bound', '')::numeric AND nullif(:'bound', '')::numeric - 1 END);
