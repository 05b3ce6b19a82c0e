-- What happens to each saved parent of the table (match_parents.sql); dropped at the end of the transaction. Lock: none.
CREATE TEMPORARY TABLE matched (
  record pg_catalog.tid NOT NULL,         -- where it is in llamactl.cleared_parent
  of_0_1 boolean NOT NULL,     -- recorded without its row's job
  other_oid boolean NOT NULL,  -- recorded of a table that had another oid
  parent pg_catalog.text NOT NULL,
  place pg_catalog.tid,                   -- the row's; NULL: none has that key
  back boolean,                -- the row has the very parent that was cleared
  -- restored: the row gets the parent back. superseded: another parent of the same row was cleared later. kept: the row has a parent now.
  -- gone: no row has the key. other_row: the key now belongs to a different row. other_key: the key's type or column has changed.
  -- misfit: the value no longer fits the parent column.
  outcome pg_catalog.text NOT NULL
) ON COMMIT DROP;
