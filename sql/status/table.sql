-- A summary of the table's state. Parameters: relation (the table's oid, or its name as regclass reads it), root_column.
-- Returns one row: root_column_present, root_index_present (a valid index on it alone), guard_present, state_present (runs are recorded in
-- this database), as_of (the server's clock).
-- Lock: none.
-- Default relation: '"public"."LlamaLog"'
-- Default root_column: root_job_id
SELECT EXISTS (
         SELECT FROM pg_catalog.pg_attribute
         WHERE attrelid = :'relation'::regclass AND attname = :'root_column' AND NOT attisdropped) AS root_column_present,
       EXISTS (
         SELECT FROM pg_catalog.pg_index AS i
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = :'root_column' AND NOT a.attisdropped
         WHERE i.indrelid = :'relation'::regclass AND i.indkey::text = a.attnum::text AND i.indpred IS NULL AND i.indisvalid
           AND i.indisready AND i.indislive) AS root_index_present,
       EXISTS (
         SELECT FROM pg_catalog.pg_trigger
         WHERE tgrelid = :'relation'::regclass AND tgname = 'zz_llamactl_guard' AND tgenabled <> 'D') AS guard_present,
       EXISTS (
         SELECT FROM pg_catalog.pg_class AS c
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = 'llamactl' AND c.relname = 'run' AND c.relkind = 'r') AS state_present,
       clock_timestamp() AS as_of;
