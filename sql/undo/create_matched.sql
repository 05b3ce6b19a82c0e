-- What becomes of each saved parent of the table (match_parents.sql); it goes with the transaction. Lock: none.
CREATE TEMPORARY TABLE matched (
  record pg_catalog.tid NOT NULL,         -- where it is in llamactl.cleared_parent
  of_0_1 boolean NOT NULL,     -- recorded without its row's job
  other_oid boolean NOT NULL,  -- recorded of a table that had another oid
  parent pg_catalog.text NOT NULL,
  place pg_catalog.tid,                   -- the row's; NULL: none has that key
  back boolean,                -- the row has the very parent that was cleared
  -- restored: the row gets it back. superseded: another one was cleared later, of the same row. kept: the row has a parent by now.
  -- gone: no row has its key. other_row: the row with its key is another one by now. other_key: the key's type or column is another
  -- one. misfit: the parent column cannot hold it any more.
  outcome pg_catalog.text NOT NULL
) ON COMMIT DROP;
