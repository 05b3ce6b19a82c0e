-- Fills the rows of some pages, in one of several passes: a pass takes the lines of its own, so that the next one prunes the page and
-- updates in place. Rows that somebody has locked are left for later: so nobody waits for us and we for nobody. So are rows whose
-- parent is another than when the lineage was worked out. Lock: ROW EXCLUSIVE.
-- It runs under the user's search path, for their triggers: pg_catalog is said where a function of theirs would fit better.
-- Parameters: first_page, end_page (not included), passes, pass (from 0), overwrite, grace_seconds (see fill_pending.sql),
-- trust_root_flag (true: a flagged row's parent is disregarded). Returns nothing.
\if :{?first_page}
\else
\set first_page 0
\endif
\if :{?end_page}
\else
\set end_page 64
\endif
\if :{?passes}
\else
\set passes 1
\endif
\if :{?pass}
\else
\set pass 0
\endif
\if :{?overwrite}
\else
\set overwrite false
\endif
\if :{?grace_seconds}
\else
\set grace_seconds 600
\endif
\if :{?trust_root_flag}
\else
\set trust_root_flag true
\endif
\if :{?root_cast}
\else
\set root_cast text
\endif
WITH target AS MATERIALIZED (
  SELECT seen.place, known.root
  FROM pg_temp.target AS seen
  -- LIMIT, so that no plan reads the whole of root_of for a batch.
  LEFT JOIN LATERAL (
    SELECT root_of.job, root_of.root, root_of.dangling, root_of.parent, root_of.several
    FROM pg_temp.root_of
    WHERE root_of.job = coalesce(seen.job, seen.parent) AND root_of.jobless = (seen.job IS NULL)
    LIMIT 1
  ) AS known ON true
  WHERE seen.place >= pg_catalog.format('(%s,0)', :'first_page'::bigint)::tid
    AND seen.place < pg_catalog.format('(%s,0)', :'end_page'::bigint)::tid
    AND (seen.place::text::point)[1]::integer % :'passes'::integer = :'pass'::integer
    AND (seen.root IS NULL AND known.root IS NOT NULL
         OR :'overwrite'::boolean AND seen.root IS DISTINCT FROM known.root
            AND (known.job IS NOT NULL OR seen.job IS NULL AND seen.parent IS NULL))
    AND (seen.job IS NULL OR seen.parent IS NULL OR seen.flagged AND :'trust_root_flag'::boolean OR known.several
         OR known.parent = seen.parent)
    AND NOT (coalesce(known.dangling, false) AND (
      seen.created_epoch BETWEEN extract(epoch FROM now()) - :'grace_seconds'::numeric AND extract(epoch FROM now())) IS TRUE)
  FOR NO KEY UPDATE OF seen SKIP LOCKED
)
UPDATE "public"."LlamaLog" AS log
SET "root_job_id" = CAST(target.root AS :root_cast)
FROM target
WHERE log.ctid = target.place
  -- Said again, lest a plan look for the places in the whole table.
  AND log.ctid >= pg_catalog.format('(%s,0)', :'first_page'::bigint)::tid
  AND log.ctid < pg_catalog.format('(%s,0)', :'end_page'::bigint)::tid;
