-- Fires what deferred constraint triggers still hold; a table with pending trigger events cannot be altered. Lock: none.
SET CONSTRAINTS ALL IMMEDIATE;
