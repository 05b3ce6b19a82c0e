-- The saved parents that are back, or whose row has another one by now. What matches no row is kept, and so is what is other tables'.
-- Comes after match_parents.sql, in its transaction. Lock: none on the user's table.
DELETE FROM llamactl.cleared_parent
USING pg_temp.matched
WHERE cleared_parent.ctid OPERATOR(pg_catalog.=) matched.record
  AND matched.outcome OPERATOR(pg_catalog.=) ANY (ARRAY['restored', 'superseded', 'kept']);
