-- Fills the pending rows of some pages, in one of several passes: each pass takes its own share of the line pointers, so that the next one
-- prunes the page and its updates are HOT. A noted place and xmin are the same version of a row, and therefore the same ids, as long as
-- the table has its shape; otherwise nothing is written. Rows locked by other sessions are left for later, so that nobody waits for the
-- other; so are those that have another version now. The batch is recorded in the same statement. Lock: ROW EXCLUSIVE.
-- Parameters: relation (oid, or its name as regclass reads it), shape (its parts: see shape.sql; empty: any), first_page, end_page (exclusive), pass
-- (from 0), prune (true: the pages are read first, since fetching rows by their place does not prune), overwrite, keyed (see
-- fill_pending.sql), run, rows_per_second (see checkpoint.sql). Returns one row: same (the table has its shape), rows (that it wrote),
-- altered (rows that do not store what was written), xid (of its transaction).
-- Default relation: '"public"."LlamaLog"'
-- Default shape: '{}'
-- Default first_page: 0
-- Default end_page: 64
-- Default pass: 0
-- Default prune: true
-- Default overwrite: false
-- Default keyed: false
-- Default run: 1
-- Default rows_per_second: 0
-- Default root_cast: pg_catalog.text
WITH here AS MATERIALIZED (
  SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS same
  FROM :shape AS shape
  WHERE shape.relation OPERATOR(pg_catalog.=) :'relation'::pg_catalog.regclass::pg_catalog.oid
    AND (shape.parts OPERATOR(pg_catalog.=) :'shape'::pg_catalog.text[] OR :'shape'::pg_catalog.text[] OPERATOR(pg_catalog.=) '{}')
), pruned AS MATERIALIZED (
  SELECT pg_catalog.count(*) AS rows
  FROM "public"."LlamaLog" AS log
  WHERE :'prune'::boolean
    AND log.ctid OPERATOR(pg_catalog.>=) pg_catalog.format('(%s,0)', :'first_page'::bigint)::pg_catalog.tid
    AND log.ctid OPERATOR(pg_catalog.<) pg_catalog.format('(%s,0)', :'end_page'::bigint)::pg_catalog.tid
), target AS MATERIALIZED (
  SELECT log.ctid AS place, pending.root, pending.row_id
  FROM pg_temp.pending
  JOIN "public"."LlamaLog" AS log
    ON log.ctid OPERATOR(pg_catalog.=) pending.place AND log.xmin OPERATOR(pg_catalog.=) pending.version
  WHERE (SELECT here.same FROM here)
    AND (SELECT pruned.rows FROM pruned) OPERATOR(pg_catalog.>=) 0  -- so that it comes first
    AND pending.task OPERATOR(pg_catalog.=) 'fill' AND NOT pending.vain
    AND pending.page OPERATOR(pg_catalog.>=) :'first_page'::bigint AND pending.page OPERATOR(pg_catalog.<) :'end_page'::bigint
    AND pending.pass OPERATOR(pg_catalog.=) :'pass'::smallint
    AND CASE WHEN log."root_job_id" IS NULL THEN pending.root IS NOT NULL
          ELSE :'overwrite'::boolean AND (pending.root IS NULL
            OR log."root_job_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.<>) pending.root) END
  FOR NO KEY UPDATE OF log SKIP LOCKED
), noted AS (
  INSERT INTO pg_temp.tried (task, row_id, root)
  SELECT 'fill', target.row_id, target.root FROM target WHERE :'keyed'::boolean
), written AS (
  UPDATE "public"."LlamaLog" AS log
  SET "root_job_id" = CAST(target.root AS :root_cast)
  FROM target
  WHERE log.ctid OPERATOR(pg_catalog.=) target.place
  RETURNING CASE WHEN log."root_job_id" IS NULL THEN target.root IS NOT NULL
              ELSE target.root IS NULL OR log."root_job_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.<>) target.root
              END AS altered
), counted AS MATERIALIZED (
  SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE written.altered) AS altered FROM written
), recorded AS (
  UPDATE llamactl.run
  SET rows_done = run.rows_done OPERATOR(pg_catalog.+) (SELECT counted.rows FROM counted),
      rows_per_second = :'rows_per_second'::pg_catalog.float8, waits_for = NULL, waits_since = NULL
  WHERE run.id OPERATOR(pg_catalog.=) :'run'::bigint
)
SELECT here.same, counted.rows, counted.altered, pg_catalog.pg_current_xact_id()::pg_catalog.xid::pg_catalog.text AS xid
FROM here, counted;
