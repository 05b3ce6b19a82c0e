-- One run at a time: tried, never waited for. Parameter: relation (the table's oid). Returns: claimed. Lock: an advisory one.
\if :{?relation}
\else
SELECT '"public"."LlamaLog"'::regclass::oid::bigint AS relation \gset
\endif
SELECT pg_try_advisory_xact_lock(1819042145, (:'relation'::bigint - 2147483648)::integer) AS claimed;
