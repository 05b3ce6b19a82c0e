-- The properties of the table that decide whether an inserted row is in it.
-- Parameters: relation (oid, or a name as regclass reads it), key (the name of the id column), columns (an array of the columns that the
--   logger writes).
-- Returns one row: keyed (a second row with the same id cannot be inserted), ruled (there are INSERT or UPDATE rules), deferrable (there
--   is a deferrable unique or exclusion constraint, which ON CONFLICT does not accept), readable (all ids can be read), encoding (of the
--   database), others (an array: what can reject a row without an error, besides its id).
-- Lock: none on the relation.
-- Default relation: '"public"."LlamaLog"'
-- Default key: 'id'
-- Default columns: '{id,job_id}'
WITH relation AS (
  SELECT c.oid, c.relkind, k.attnum AS key
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_attribute AS k
    ON k.attrelid OPERATOR(pg_catalog.=) c.oid AND k.attname OPERATOR(pg_catalog.=) :'key'::pg_catalog.text
  WHERE c.oid OPERATOR(pg_catalog.=) :'relation'::pg_catalog.regclass
),
leaves AS (
  SELECT oid FROM relation
  UNION
  SELECT leaf.relid
  FROM relation
  CROSS JOIN LATERAL pg_catalog.pg_partition_tree(relation.oid) AS leaf
  WHERE relation.relkind OPERATOR(pg_catalog.=) 'p'
),
unique_indexes AS (
  SELECT i.*,
    ARRAY(
      SELECT a.attname::pg_catalog.text
      FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS part(attnum, nth)
      JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) part.attnum
      WHERE part.nth OPERATOR(pg_catalog.<=) i.indnkeyatts
    ) AS names
  FROM pg_catalog.pg_index AS i
  JOIN leaves ON leaves.oid OPERATOR(pg_catalog.=) i.indrelid
  WHERE (i.indisunique OR i.indisexclusion) AND i.indislive
)
SELECT
  EXISTS (
    SELECT FROM unique_indexes AS i
    WHERE i.indrelid OPERATOR(pg_catalog.=) relation.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL
      AND :'key'::pg_catalog.text OPERATOR(pg_catalog.=) ANY (i.names)
      AND (i.indnkeyatts OPERATOR(pg_catalog.=) 1
        OR i.indisprimary AND i.names OPERATOR(pg_catalog.<@) :'columns'::pg_catalog.text[])
  ) AS keyed,
  EXISTS (
    SELECT FROM pg_catalog.pg_rewrite AS r
    WHERE r.ev_class OPERATOR(pg_catalog.=) relation.oid AND r.ev_type OPERATOR(pg_catalog.=) ANY ('{2,3}')
      AND r.ev_enabled OPERATOR(pg_catalog.<>) 'D'
  ) AS ruled,
  EXISTS (SELECT FROM unique_indexes AS i WHERE NOT i.indimmediate) AS deferrable,
  pg_catalog.has_column_privilege(relation.oid, relation.key, 'SELECT')
    AND NOT pg_catalog.row_security_active(relation.oid) AS readable,
  pg_catalog.current_setting('server_encoding') AS encoding,
  ARRAY(
    SELECT 'unique index ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(c.relname::pg_catalog.text)
    FROM unique_indexes AS i
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
    WHERE NOT (:'key'::pg_catalog.text OPERATOR(pg_catalog.=) ANY (i.names))
    UNION
    SELECT 'trigger ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(t.tgname::pg_catalog.text)
    FROM pg_catalog.pg_trigger AS t
    JOIN leaves ON leaves.oid OPERATOR(pg_catalog.=) t.tgrelid
    JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE NOT t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.<>) 'D' AND n.nspname OPERATOR(pg_catalog.<>) 'llamactl'
      -- Bits: 1 for each row, 2 BEFORE, 4 INSERT, 64 INSTEAD OF.
      AND (t.tgtype OPERATOR(pg_catalog.&) 1::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2
      AND (t.tgtype OPERATOR(pg_catalog.&) 4::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2
      AND (t.tgtype OPERATOR(pg_catalog.&) 66::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2
    UNION
    SELECT 'rule ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(r.rulename::pg_catalog.text)
    FROM pg_catalog.pg_rewrite AS r
    WHERE r.ev_class OPERATOR(pg_catalog.=) relation.oid AND r.ev_type OPERATOR(pg_catalog.=) '3'
      AND r.ev_enabled OPERATOR(pg_catalog.<>) 'D'
    UNION
    SELECT 'what lies beneath the relation'
    WHERE relation.relkind OPERATOR(pg_catalog.<>) ALL ('{r,p}')
    ORDER BY 1
  ) AS others
FROM relation;
