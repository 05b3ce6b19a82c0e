-- Inside a transaction the server caches its statistics on other sessions at the first access. This discards them.
-- Returns one row without meaning.
SELECT pg_stat_clear_snapshot();
