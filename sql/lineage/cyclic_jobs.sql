-- The ids of some cyclic jobs. Parameter: numbers (an integer array). Columns: number, job. Lock: none.
\if :{?numbers}
\else
\set numbers '{1}'
\endif
SELECT number, job FROM pg_temp.cyclic WHERE number = ANY (:'numbers'::integer[]);
