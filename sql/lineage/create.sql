-- The temporary relations that lineage is worked out in; they go with the transaction.
-- Lock: none on the user's table. Comes before entry.sql.

-- One row: how to read the log (see configure.sql).
CREATE TEMPORARY TABLE setting (
  trust_root_flag boolean NOT NULL,
  fill_dangling boolean NOT NULL
) ON COMMIT DROP;

-- An id as lineage compares it, byte by byte; NULL when it is missing (NULL or blank).
-- The characters are listed because \s depends on the collation, and \v is a letter before Postgres 17.
CREATE OR REPLACE FUNCTION pg_temp.present(id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN pg_catalog.btrim(id, E' \t\n\r\f\x0b') <> '' THEN id COLLATE "C" END $$;

-- One row a job; rows without a job id have NULL as job and one row a parent.
CREATE TEMPORARY TABLE edge (
  job text COLLATE "C",
  parent text COLLATE "C",        -- the smallest
  parent_hi text COLLATE "C",     -- the largest, where it differs: the job has several parents
  row_count bigint NOT NULL,
  parent_count bigint NOT NULL,   -- rows that name a parent
  root_lo text COLLATE "C",       -- the root values that the rows hold today
  root_hi text COLLATE "C",
  root_count bigint NOT NULL,
  disregarded_count bigint NOT NULL,  -- rows whose parent the root flag disregards
  self_parent_count bigint NOT NULL   -- rows that would violate the self-parent CHECK
) ON COMMIT DROP;

-- Serves the walk down. Filled in its own order, it costs little.
CREATE INDEX edge_child ON pg_temp.edge (parent)
  WHERE job IS NOT NULL AND parent IS NOT NULL AND parent_hi IS NULL;

-- Every job that a walk down from some top reaches, with that top. What is missing here is cyclic.
CREATE TEMPORARY TABLE walk (
  job text COLLATE "C" NOT NULL,
  top text COLLATE "C" NOT NULL,
  steps integer NOT NULL,  -- from the top down to the job
  kind "char" NOT NULL,    -- of the top: r a root, d a dangling parent, c a job with several parents (a cut)
  row_count bigint,        -- the rest is edge's, carried along to spare a join; NULL for a dangling parent
  root_lo text COLLATE "C",
  root_hi text COLLATE "C",
  root_count bigint
) ON COMMIT DROP;

-- The jobs with several parents, and what solve.sql finds of them.
CREATE TEMPORARY TABLE cut (
  job text COLLATE "C" NOT NULL,
  solved boolean NOT NULL DEFAULT false,  -- stays false where the job is cyclic
  root text COLLATE "C",                  -- NULL where ambiguous
  depth integer,
  dangling boolean NOT NULL DEFAULT false
) ON COMMIT DROP;

-- Their parents, each pair once.
CREATE TEMPORARY TABLE cut_parent (
  job text COLLATE "C" NOT NULL,
  parent text COLLATE "C" NOT NULL
) ON COMMIT DROP;

-- Every job that is known, dangling parents too, but for the cyclic ones. root is NULL where ambiguous.
CREATE TEMPORARY VIEW lineage AS
SELECT walk.job,
       CASE WHEN walk.kind = 'c' THEN cut.root ELSE walk.top END AS root,
       walk.steps + CASE WHEN walk.kind = 'c' THEN cut.depth ELSE 0 END AS depth,
       walk.kind = 'c' AND cut.root IS NULL AS ambiguous,
       walk.kind = 'd' OR walk.kind = 'c' AND cut.dangling AS dangling,
       walk.row_count, walk.root_lo, walk.root_hi, walk.root_count
FROM pg_temp.walk
LEFT JOIN pg_temp.cut ON cut.job = walk.top
WHERE walk.kind <> 'c' OR cut.solved;

-- The cyclic jobs by number (in the order of their ids), and the parent edges among them.
CREATE TEMPORARY TABLE cyclic (
  number integer NOT NULL,
  job text COLLATE "C" NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE cyclic_edge (
  child integer NOT NULL,
  parent integer NOT NULL
) ON COMMIT DROP;

-- The groups of `edge` that are neither untracked nor cyclic, with their computed root under the policy for dangling parents.
-- Rows without a job id have NULL as job.
--   state  ambiguous, dangling or rooted; the first that holds
--   root   what the rows are to hold; NULL: nothing
CREATE TEMPORARY VIEW graded AS
SELECT known.job, known.parent, known.row_count, known.root_lo, known.root_hi, known.root_count, known.depth,
       CASE WHEN known.ambiguous THEN 'ambiguous' WHEN known.dangling THEN 'dangling' ELSE 'rooted' END AS state,
       CASE WHEN NOT known.dangling OR (SELECT fill_dangling FROM pg_temp.setting) THEN known.root END AS root
FROM (
  SELECT job, NULL::text COLLATE "C" AS parent, row_count, root_lo, root_hi, root_count, depth, ambiguous, dangling, root
  FROM pg_temp.lineage
  WHERE row_count IS NOT NULL
  UNION ALL
  SELECT NULL, edge.parent, edge.row_count, edge.root_lo, edge.root_hi, edge.root_count, NULL, lineage.ambiguous,
         lineage.dangling, lineage.root
  FROM pg_temp.edge
  JOIN pg_temp.lineage ON lineage.job = edge.parent
  WHERE edge.job IS NULL
) AS known;
