-- What limits the disk that a command takes. Returns one row: temporary_limit (temp_file_limit in bytes; NULL: none), data_directory (NULL:
-- the role may not see it, or the database or the table has a tablespace of its own), backend_pid. Parameter: relation (the table's oid, or its name as
-- regclass reads it). Reads only the catalogs. Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT (SELECT nullif(s.setting::bigint, -1) * 1024 FROM pg_catalog.pg_settings AS s WHERE s.name = 'temp_file_limit') AS temporary_limit,
       CASE WHEN t.spcname = 'pg_default' AND c.reltablespace = 0
         THEN (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'data_directory') END AS data_directory,
       pg_backend_pid() AS backend_pid
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
WHERE c.oid = :'relation'::regclass;
