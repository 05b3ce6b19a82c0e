-- The parent edges among the cyclic jobs, by number. Columns: child, parent. Lock: none.
SELECT child, parent FROM pg_temp.cyclic_edge;
