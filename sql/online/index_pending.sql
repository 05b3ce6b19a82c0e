-- For the batches, which look up the rows of some pages, pass by pass. Lock: none.
CREATE INDEX ON pg_temp.pending (page, pass);

ANALYZE pg_temp.pending (task, page, pass);
