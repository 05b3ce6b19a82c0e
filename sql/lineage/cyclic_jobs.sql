-- The ids of some cyclic jobs. Parameter: numbers (an integer array). Columns: number, job. Lock: none.
-- Default numbers: '{1}'
SELECT number, job FROM pg_temp.cyclic WHERE number = ANY (:'numbers'::integer[]);
