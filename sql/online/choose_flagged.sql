-- The root flag takes precedence: finds the pending rows in some pages whose parent is to be cleared. Their keys are converted to text
-- here, and not where they are cleared, which fires the user's triggers under the user's own settings.
-- Parameters: first_page, end_page (exclusive). Returns nothing. Lock: ROW SHARE.
-- Default first_page: 0
-- Default end_page: 64
WITH former AS (
  DELETE FROM pg_temp.clearing
)
INSERT INTO pg_temp.clearing (place, row_id, job, parent)
SELECT log.ctid, log."id"::text, log."job_id"::text, log."parent_job_id"::text
FROM "public"."LlamaLog" AS log
WHERE log.ctid >= format('(%s,0)', :'first_page'::bigint)::tid
  AND log.ctid < format('(%s,0)', :'end_page'::bigint)::tid
  AND log.ctid IN (
    SELECT pending.place FROM pg_temp.pending
    WHERE pending.task = 'clear' AND NOT pending.vain
      AND pending.page >= :'first_page'::bigint AND pending.page < :'end_page'::bigint)
  AND log."is_root_job"
  AND pg_temp.present(log."job_id"::text COLLATE "C") IS NOT NULL
  AND pg_temp.present(log."parent_job_id"::text COLLATE "C") IS NOT NULL
FOR NO KEY UPDATE OF log SKIP LOCKED;
