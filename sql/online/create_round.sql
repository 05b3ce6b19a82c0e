-- What the batches work from; it lasts as long as the session, since each batch is a transaction of its own. Lock: none.
DROP TABLE IF EXISTS pg_temp.pending, pg_temp.clearing;

-- The rows that are to be written: where they are, and what they held when the lineage was worked out.
CREATE TEMPORARY TABLE pending (
  place tid NOT NULL,
  pass smallint NOT NULL,   -- in which of several passes over the page
  page bigint NOT NULL,
  bare boolean NOT NULL,    -- it holds no root
  old boolean NOT NULL,     -- it must be written before the run may end
  flagged boolean NOT NULL,
  task text NOT NULL,       -- fill, or clear (a parent that the root flag disregards)
  job text COLLATE "C",
  parent text COLLATE "C",
  root text COLLATE "C"     -- what it is to hold; NULL: nothing
);

-- Those of a batch whose parent is about to be cleared, and is then saved.
CREATE TEMPORARY TABLE clearing (
  place tid NOT NULL,
  row_id text NOT NULL,  -- the key, as text
  job text NOT NULL,
  parent text NOT NULL
);
