-- Records a new run. Parameters: relation (the table's oid, or its name as regclass reads it), schema, table, command. Returns: id.
-- Lock: none on the user's table.
-- Default relation: '"public"."LlamaLog"'
-- Default schema: 'public'
-- Default table: 'LlamaLog'
-- Default command: 'migrate'
INSERT INTO llamactl.run (table_oid, recorded_in, table_schema, table_name, command, backend_pid)
VALUES (:'relation'::pg_catalog.regclass, 'llamactl.run'::pg_catalog.regclass, :'schema', :'table', :'command', pg_catalog.pg_backend_pid())
RETURNING id;
