-- The tables that the batches work from. They last as long as the session, since each batch is a separate transaction. Lock: none.
DROP TABLE IF EXISTS pg_temp.pending, pg_temp.clearing;

-- The rows to be written, as they were when the lineage was computed. A version stands for its row's ids only in the same place of the same
-- file, and only as long as no xid comes up twice. It cannot while this table exists: the server stops before xids are 2^31 older than
-- the oldest relation, and only this session could freeze its temporary tables.
CREATE TEMPORARY TABLE pending (
  page bigint NOT NULL,
  version pg_catalog.xid NOT NULL,  -- xmin
  place pg_catalog.tid NOT NULL,
  pass smallint NOT NULL,     -- in which of several passes over the page
  attempts smallint NOT NULL, -- how often the run has tried to write this to it
  vain boolean NOT NULL,      -- tried often enough: it is reported, and not tried again
  bare boolean NOT NULL,      -- it stores no root
  old boolean NOT NULL,       -- it must be written before the run may end
  task pg_catalog.text COLLATE pg_catalog."C" NOT NULL,       -- fill, or clear (a parent that the root flag disregards)
  root pg_catalog.text COLLATE pg_catalog."C",    -- the root to write; NULL: none
  row_id pg_catalog.text     -- the key, as text; NULL if what is tried is not recorded
);

-- The rows that the session has tried to write; in the next round the rows themselves show whether that succeeded.
CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.tried (
  task pg_catalog.text NOT NULL,
  row_id pg_catalog.text NOT NULL,
  root pg_catalog.text COLLATE pg_catalog."C"
);

-- The rows of a batch whose parent is about to be cleared, and is then saved.
CREATE TEMPORARY TABLE clearing (
  place pg_catalog.tid NOT NULL,
  row_id pg_catalog.text NOT NULL,  -- the key, as text
  job pg_catalog.text NOT NULL,
  parent pg_catalog.text NOT NULL
);
