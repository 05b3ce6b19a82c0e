-- The view depends on the root column, which could not be altered under it. Lock: none.
DROP VIEW pg_temp.entry;
