-- Fills the pending rows of some pages, in one of several passes: each pass takes its own share of the line pointers, so that the next one
-- prunes the page and its updates are HOT. Rows locked by other sessions are left for later, so that nobody waits for the other. So are
-- rows that have moved, or whose ids have changed since the lineage was computed. Lock: ROW EXCLUSIVE.
-- Parameters: first_page, end_page (exclusive), pass (from 0), prune (true: the pages are read first, since fetching rows by their place
-- does not prune), overwrite, keyed (see fill_pending.sql). Returns nothing.
-- Default first_page: 0
-- Default end_page: 64
-- Default pass: 0
-- Default prune: true
-- Default overwrite: false
-- Default keyed: false
-- Default root_cast: pg_catalog.text
WITH pruned AS MATERIALIZED (
  SELECT pg_catalog.count(*) AS rows
  FROM "public"."LlamaLog" AS log
  WHERE :'prune'::boolean
    AND log.ctid OPERATOR(pg_catalog.>=) pg_catalog.format('(%s,0)', :'first_page'::bigint)::pg_catalog.tid
    AND log.ctid OPERATOR(pg_catalog.<) pg_catalog.format('(%s,0)', :'end_page'::bigint)::pg_catalog.tid
), target AS MATERIALIZED (
  SELECT seen.place, pending.root, pending.row_id
  FROM pg_temp.pending
  JOIN :target AS seen ON seen.place OPERATOR(pg_catalog.=) pending.place
  WHERE (SELECT rows FROM pruned) OPERATOR(pg_catalog.>=) 0  -- so that it comes first
    AND pending.task OPERATOR(pg_catalog.=) 'fill' AND NOT pending.vain
    AND pending.page OPERATOR(pg_catalog.>=) :'first_page'::bigint AND pending.page OPERATOR(pg_catalog.<) :'end_page'::bigint
    AND pending.pass OPERATOR(pg_catalog.=) :'pass'::smallint
    AND (seen.job OPERATOR(pg_catalog.=) pending.job OR seen.job IS NULL AND pending.job IS NULL)
    AND (seen.parent OPERATOR(pg_catalog.=) pending.parent OR seen.parent IS NULL AND pending.parent IS NULL)
    AND seen.flagged OPERATOR(pg_catalog.=) pending.flagged
    AND CASE WHEN seen.root IS NULL THEN pending.root IS NOT NULL
          ELSE :'overwrite'::boolean AND (pending.root IS NULL OR seen.root OPERATOR(pg_catalog.<>) pending.root) END
  FOR NO KEY UPDATE OF seen SKIP LOCKED
), noted AS (
  INSERT INTO pg_temp.tried (task, row_id, root)
  SELECT 'fill', target.row_id, target.root FROM target WHERE :'keyed'::boolean
)
UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(target.root AS :root_cast)
FROM target
WHERE log.ctid OPERATOR(pg_catalog.=) target.place;
