-- What must not change while noted places are used: the name, the file, the columns and the triggers of each table. CLUSTER, VACUUM FULL
-- and the like move rows without a change of their xmin; SET TABLESPACE, which moves none, counts too. A column that is dropped and added
-- again has another number. Files read it as `FROM :shape AS shape`.
-- Returns: relation (its oid), parts (in their order). Lock: none.
SELECT c.oid AS relation, ARRAY(
    SELECT pg_catalog.concat_ws(' ', 'table', n.nspname, c.relname)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'file', pg_catalog.pg_relation_filenode(c.oid))
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.atttypid, a.atttypmod, a.attname)
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'trigger', t.oid, t.tgenabled)
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal
    ORDER BY 1) AS parts
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace;
