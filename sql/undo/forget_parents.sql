-- Deletes the saved parents that are restored, or whose row has another parent now. Those that match no row, or belong to other tables,
-- are kept. Run it after match_parents.sql, in its transaction. Lock: none on the user's table.
DELETE FROM llamactl.cleared_parent
USING pg_temp.matched
WHERE cleared_parent.ctid OPERATOR(pg_catalog.=) matched.record
  AND matched.outcome OPERATOR(pg_catalog.=) ANY (ARRAY['restored', 'superseded', 'kept']);
