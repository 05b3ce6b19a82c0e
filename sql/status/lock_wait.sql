-- The lock that a backend is waiting for. Parameter: pid. Returns one row, or none: wanted, since. Lock: none.
-- Default pid: 0
SELECT CASE wanted.locktype
         WHEN 'relation' THEN wanted.mode || ' on ' || wanted.relation::regclass::text
         WHEN 'virtualxid' THEN 'transactions that began earlier'
         WHEN 'transactionid' THEN 'a row that another transaction has written'
         ELSE 'a lock (' || wanted.locktype || ')' END AS wanted,
       wanted.waitstart AS since
FROM pg_catalog.pg_locks AS wanted
WHERE wanted.pid = :'pid'::integer AND NOT wanted.granted;
