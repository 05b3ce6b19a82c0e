-- Clears the parents of the rows in pg_temp.clearing. A trigger may suppress or change this: judge_cleared.sql finds which are NULL then.
-- Parameters: first_page, end_page (as for choose_flagged.sql). Returns nothing. Run it after choose_flagged.sql.
-- Lock: ROW EXCLUSIVE.
-- Default first_page: 0
-- Default end_page: 64
UPDATE "public"."LlamaLog" AS log
SET "parent_job_id" = NULL
FROM pg_temp.clearing
WHERE log.ctid OPERATOR(pg_catalog.=) clearing.place
  AND log.ctid OPERATOR(pg_catalog.>=) pg_catalog.format('(%s,0)', :'first_page'::pg_catalog.int8)::pg_catalog.tid
  AND log.ctid OPERATOR(pg_catalog.<) pg_catalog.format('(%s,0)', :'end_page'::pg_catalog.int8)::pg_catalog.tid;
