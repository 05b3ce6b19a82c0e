-- Records the session's client for as long as the session lasts, so that another session can find out whether the client is gone, even
-- before a run is recorded. Parameters: host (a number for its machine), client (its process id there). Returns one row without meaning.
-- Lock: an advisory one, shared.
-- Default host: 0
-- Default client: 0
SELECT pg_try_advisory_lock_shared(:'host'::integer, :'client'::integer) AS told;
