-- Fills the pending rows of some pages, in one of several passes: a pass takes the lines of its own, so that the next one prunes the
-- page and updates in place. Rows that somebody has locked are left for later: so nobody waits for us and we for nobody. So are rows
-- that are elsewhere by now, or whose ids are others than when the lineage was worked out. Lock: ROW EXCLUSIVE.
-- It runs under the user's search path, for their triggers: pg_catalog is said where a function of theirs would fit better.
-- Parameters: first_page, end_page (not included), pass (from 0), prune (true: the pages are read first, since rows that are fetched
-- by their place prune none), overwrite (see fill_pending.sql). Returns nothing.
\if :{?first_page}
\else
\set first_page 0
\endif
\if :{?end_page}
\else
\set end_page 64
\endif
\if :{?pass}
\else
\set pass 0
\endif
\if :{?prune}
\else
\set prune true
\endif
\if :{?overwrite}
\else
\set overwrite false
\endif
\if :{?root_cast}
\else
\set root_cast text
\endif
WITH pruned AS MATERIALIZED (
  SELECT count(*) AS rows
  FROM "public"."LlamaLog" AS log
  WHERE :'prune'::boolean
    AND log.ctid >= pg_catalog.format('(%s,0)', :'first_page'::bigint)::tid
    AND log.ctid < pg_catalog.format('(%s,0)', :'end_page'::bigint)::tid
), target AS MATERIALIZED (
  SELECT seen.place, pending.root
  FROM pg_temp.pending
  JOIN :target AS seen ON seen.place = pending.place
  WHERE (SELECT rows FROM pruned) >= 0  -- so that it comes first
    AND pending.task = 'fill' AND pending.page >= :'first_page'::bigint AND pending.page < :'end_page'::bigint
    AND pending.pass = :'pass'::smallint
    AND seen.job IS NOT DISTINCT FROM pending.job AND seen.parent IS NOT DISTINCT FROM pending.parent
    AND seen.flagged = pending.flagged
    AND (seen.root IS NULL OR :'overwrite'::boolean) AND seen.root IS DISTINCT FROM pending.root
  FOR NO KEY UPDATE OF seen SKIP LOCKED
)
UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(target.root AS :root_cast)
FROM target
WHERE log.ctid = target.place;
