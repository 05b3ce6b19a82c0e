-- Leaves word of the session's client for as long as it lasts: whoever meets it at work can tell whether that is gone, before a run
-- is recorded too. Parameters: host (a number for its machine), client (its process there). Returns one row, of no meaning.
-- Lock: an advisory one, shared.
-- Default host: 0
-- Default client: 0
SELECT pg_try_advisory_lock_shared(:'host'::integer, :'client'::integer) AS told;
