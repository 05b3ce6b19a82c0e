-- What the batches work from; it lasts as long as the session, since each batch is a transaction of its own. Lock: none.
DROP TABLE IF EXISTS pg_temp.pending, pg_temp.clearing;

-- The rows that are to be written: where they are, and what they held when the lineage was worked out.
CREATE TEMPORARY TABLE pending (
  place pg_catalog.tid NOT NULL,
  pass smallint NOT NULL,   -- in which of several passes over the page
  page bigint NOT NULL,
  bare boolean NOT NULL,    -- it holds no root
  old boolean NOT NULL,     -- it must be written before the run may end
  flagged boolean NOT NULL,
  task pg_catalog.text NOT NULL,       -- fill, or clear (a parent that the root flag disregards)
  job pg_catalog.text COLLATE pg_catalog."C",
  parent pg_catalog.text COLLATE pg_catalog."C",
  root pg_catalog.text COLLATE pg_catalog."C"     -- what it is to hold; NULL: nothing
);

-- Those of a batch whose parent is about to be cleared, and is then saved.
CREATE TEMPORARY TABLE clearing (
  place pg_catalog.tid NOT NULL,
  row_id pg_catalog.text NOT NULL,  -- the key, as text
  job pg_catalog.text NOT NULL,
  parent pg_catalog.text NOT NULL
);
