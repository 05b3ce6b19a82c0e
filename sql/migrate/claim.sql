-- Claims the table for one run, until the transaction ends, without waiting. Parameter: relation (the table's oid, or its name as
-- regclass reads it). Returns: claimed. Lock: an advisory one.
-- Default relation: '"public"."LlamaLog"'
SELECT pg_try_advisory_xact_lock(1819042145, (:'relation'::regclass::oid::bigint - 2147483648)::integer) AS claimed;
