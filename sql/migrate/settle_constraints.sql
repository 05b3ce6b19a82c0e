-- Fires pending deferred constraint triggers; a table with pending trigger events cannot be altered. Lock: none.
SET CONSTRAINTS ALL IMMEDIATE;
