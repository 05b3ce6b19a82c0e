-- Gives the nodes below cuts the roots of these; those below a cyclic cut are cyclic. Lock: none.
DELETE FROM pg_temp.lineage
USING pg_temp.cut
WHERE lineage.kind = 'c' AND lineage.top = cut.number AND NOT cut.solved;

UPDATE pg_temp.lineage
SET top = cut.top, root = cut.root, depth = lineage.depth + cut.depth, dangling = cut.dangling
FROM pg_temp.cut
WHERE lineage.kind = 'c' AND lineage.top = cut.number;
