-- lineage/entry makes the view anew after the fill, with the root column. Lock: none.
DROP VIEW pg_temp.entry;
