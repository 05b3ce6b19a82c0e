-- All relations, for the similar names in an error message.
-- Returns: schema_name, table_name, job_log (it has a job id and a parent job id, in snake or camel case).
SELECT
  n.nspname::text AS schema_name,
  c.relname::text AS table_name,
  (SELECT count(DISTINCT lower(replace(a.attname, '_', ''))) = 2
   FROM pg_catalog.pg_attribute AS a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     AND lower(replace(a.attname, '_', '')) IN ('jobid', 'parentjobid')) AS job_log
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'llamactl')
  AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY 1, 2;
