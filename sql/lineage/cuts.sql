-- The nodes whose rows disagree on the parent, and their parents. Lock: ACCESS SHARE (the log is read only if there are such nodes).
INSERT INTO pg_temp.cut (number, job)
SELECT edge.number, edge.job FROM pg_temp.edge WHERE edge.kind = 'c';

ANALYZE pg_temp.cut;

INSERT INTO pg_temp.cut_parent (number, parent)
SELECT DISTINCT cut.number, node.number
FROM :entry AS entry
JOIN pg_temp.cut ON cut.job = entry.job
JOIN pg_temp.node ON node.job = entry.parent;

ANALYZE pg_temp.cut_parent;
