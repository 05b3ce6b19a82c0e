-- The run that a session is at, and where its client is. Parameter: pid. Returns: client. Lock: none on the user's table.
\if :{?pid}
\else
\set pid 0
\endif
SELECT client FROM llamactl.run WHERE backend_pid = :'pid'::integer AND ended_at IS NULL ORDER BY id DESC LIMIT 1;
