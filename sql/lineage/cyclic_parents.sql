-- The parent edges among the cyclic nodes.
-- Lock: none.
ANALYZE pg_temp.cyclic;

INSERT INTO pg_temp.cyclic_edge (child, parent)
SELECT child.number, parent.number
FROM (
  SELECT number, parent FROM pg_temp.edge WHERE kind = 'p'
  UNION ALL
  SELECT number, parent FROM pg_temp.cut_parent
) AS named
JOIN pg_temp.cyclic AS child ON child.node = named.number
JOIN pg_temp.cyclic AS parent ON parent.node = named.parent;
