-- Whether the pending rows of some pages are still in their places, once the table has another file: SET TABLESPACE moves no rows,
-- VACUUM FULL and CLUSTER do. Parameters: task, first_page, end_page (exclusive). Returns one row: moved. Lock: ACCESS SHARE.
-- Default task: fill
-- Default first_page: 0
-- Default end_page: 64
SELECT count(seen.place) * 2 < count(*) AS moved
FROM pg_temp.pending
LEFT JOIN :target AS seen
  ON seen.place = pending.place AND seen.job IS NOT DISTINCT FROM pending.job AND seen.parent IS NOT DISTINCT FROM pending.parent
  AND seen.place >= format('(%s,0)', :'first_page'::bigint)::tid AND seen.place < format('(%s,0)', :'end_page'::bigint)::tid
WHERE pending.task = :'task' AND NOT pending.vain
  AND pending.page >= :'first_page'::bigint AND pending.page < :'end_page'::bigint;
