-- Creates an empty index on the root column and on the parent, unless an index contains the column, so that no update of them is a HOT
-- update: queries ignore an index that is built after HOT updates until the transactions that are open elsewhere have ended.
-- The oids are stored in the setting llamactl.empty_indexes. Does nothing where an event trigger fires, which may refuse DDL. Lock: SHARE.
DO $empty$
DECLARE
  log CONSTANT pg_catalog.regclass := $log$"public"."LlamaLog"$log$::pg_catalog.regclass;
  tablespace CONSTANT pg_catalog.text := pg_catalog.current_setting('default_tablespace');
  present CONSTANT pg_catalog.oid[] := ARRAY(
    SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid OPERATOR(pg_catalog.=) log);
  command pg_catalog.text;
BEGIN
  IF EXISTS (
    SELECT
    FROM pg_catalog.pg_event_trigger AS e
    WHERE e.evtenabled OPERATOR(pg_catalog.<>) ALL ('{D,R}'::pg_catalog."char"[])
      AND e.evtevent OPERATOR(pg_catalog.=) ANY ('{ddl_command_start,ddl_command_end,sql_drop}'::pg_catalog.name[])
      AND (e.evttags IS NULL OR e.evttags OPERATOR(pg_catalog.&&) '{CREATE INDEX,DROP INDEX}'::pg_catalog.text[])
  ) THEN
    RETURN;
  END IF;
  PERFORM pg_catalog.set_config('default_tablespace', '', true);  -- the role may lack rights on its own
  FOR command IN
    SELECT wanted.command
    FROM (VALUES
      ($column$"root_job_id"$column$, $create$CREATE INDEX ON "public"."LlamaLog" ("root_job_id") WHERE false$create$),
      ($column$"parent_job_id"$column$, $create$CREATE INDEX ON "public"."LlamaLog" ("parent_job_id") WHERE false$create$)
    ) AS wanted (name, command)
    JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid OPERATOR(pg_catalog.=) log AND a.attname OPERATOR(pg_catalog.=) (pg_catalog.parse_ident(wanted.name))[1]
      AND a.attgenerated OPERATOR(pg_catalog.=) ''
    WHERE NOT EXISTS (
      SELECT
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
      JOIN pg_catalog.pg_am AS am ON am.oid OPERATOR(pg_catalog.=) c.relam
      WHERE i.indrelid OPERATOR(pg_catalog.=) log AND i.indislive AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey)
        AND am.amname OPERATOR(pg_catalog.<>) 'brin')  -- it allows HOT updates
  LOOP
    EXECUTE command;
  END LOOP;
  PERFORM pg_catalog.set_config('default_tablespace', tablespace, true);
  PERFORM pg_catalog.set_config('llamactl.empty_indexes', ARRAY(
    SELECT i.indexrelid
    FROM pg_catalog.pg_index AS i
    WHERE i.indrelid OPERATOR(pg_catalog.=) log AND i.indexrelid OPERATOR(pg_catalog.<>) ALL (present))::pg_catalog.text, false);
END
$empty$;
