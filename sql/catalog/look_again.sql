-- Inside a transaction the server shows other sessions as they were when it was first asked. This makes it look again.
-- Returns one row, of no meaning.
SELECT pg_stat_clear_snapshot();
