-- A batch looks up root by root. Lock: none.
CREATE INDEX ON pg_temp.root_of (job);

ANALYZE pg_temp.root_of;
