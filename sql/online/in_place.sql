-- Whether the pending rows of some pages are where they were, of a table that has another file by now: SET TABLESPACE moves no row,
-- VACUUM FULL and CLUSTER do. Parameters: task, first_page, end_page (not included). Returns one row: moved. Lock: ACCESS SHARE.
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
