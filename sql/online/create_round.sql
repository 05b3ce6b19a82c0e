-- What the batches work from; it lasts as long as the session, since each batch is a transaction of its own. Lock: none.
DROP TABLE IF EXISTS pg_temp.root_of, pg_temp.pending;

-- The roots that are to be written. Rows without a job id go by their parent.
CREATE TEMPORARY TABLE root_of (
  job text COLLATE "C" NOT NULL,  -- of the row; `jobless`: its parent
  jobless boolean NOT NULL,
  root text COLLATE "C",          -- NULL: none is true
  dangling boolean NOT NULL,      -- the chain leaves the log
  parent text COLLATE "C",        -- the one parent that the job had then
  several boolean NOT NULL        -- it had several
);

-- The pages with rows to be written, and how many.
CREATE TEMPORARY TABLE pending (
  task text NOT NULL,  -- fill, or clear (a parent that the root flag disregards)
  page bigint NOT NULL,
  rows bigint NOT NULL,
  bare bigint NOT NULL,  -- those of them that hold no root
  old bigint NOT NULL    -- those of them that must be written before the run may end
);

CREATE UNIQUE INDEX ON pg_temp.pending (task, page);
