-- Statistics for the joins that follow. Lock: none.
ANALYZE pg_temp.walk;
