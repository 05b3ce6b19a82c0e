-- Claims the table for one run, for as long as the session lasts, without waiting. Parameter: relation (the table's oid, or its name as
-- regclass reads it). Returns: claimed. Lock: an advisory one, the same as that of migrate/claim.sql.
-- Default relation: '"public"."LlamaLog"'
SELECT pg_try_advisory_lock(1819042145, (:'relation'::regclass::oid::bigint - 2147483648)::integer) AS claimed;
