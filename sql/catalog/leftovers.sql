-- Views in a temporary schema through which version 0.1 read the table: "entry" and "target". They are dropped with their session, but
-- a server crash leaves them in the catalogs, where they depend on the table; so does a copy of such a database. Reads only the catalogs.
-- Only the session that holds the claim on the table (migrate/claim.sql) knows that no live session uses them: 0.1 held it meanwhile.
-- Parameters: relation (oid, or a name as regclass reads it).
-- Returns one row per view: oid, name (quoted, with its schema), droppable (the role may drop it by name). Lock: none.
-- Default relation: '"public"."LlamaLog"'
SELECT
  c.oid::bigint AS oid,
  format('%I.%I', n.nspname, c.relname) AS name,
  has_schema_privilege(n.oid, 'USAGE') AND pg_has_role(c.relowner, 'USAGE') AS droppable
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND c.relpersistence = 't'
  AND CASE c.relname
        WHEN 'entry' THEN '{row_id,job,parent,disregarded_parent,root,created_epoch,blank,self_parent}'::text[]
        WHEN 'target' THEN '{place,job,parent,root,flagged,created_epoch}'::text[] END
      = ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum)
  AND c.oid IN (
    SELECT r.ev_class
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = :'relation'::regclass AND d.classid = 'pg_rewrite'::regclass)
ORDER BY 2;
