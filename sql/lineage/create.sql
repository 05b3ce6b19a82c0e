-- The temporary relations in which lineage is computed; they are dropped at the end of the transaction.
-- Lock: none on the user's table.

-- One row: the rules for reading the log (see configure.sql).
CREATE TEMPORARY TABLE setting (
  trust_root_flag boolean NOT NULL,
  fill_dangling boolean NOT NULL
) ON COMMIT DROP;

-- An id as lineage compares it, bytewise; NULL if it is missing (NULL or blank).
-- The characters are listed because \s depends on the collation, and \v is a letter before Postgres 17.
-- All of them sort before '!', so one comparison shows that most ids are present, which is faster than trimming.
CREATE OR REPLACE FUNCTION pg_temp.present(id pg_catalog.text) RETURNS pg_catalog.text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN id COLLATE pg_catalog."C" OPERATOR(pg_catalog.>=) '!' OR pg_catalog.btrim(id, E' \t\n\r\f\x0b') OPERATOR(pg_catalog.<>) ''
    THEN id COLLATE pg_catalog."C" END
$$;

-- One row per job; rows without a job id have NULL as job and one row per parent.
-- Fixed-length columns come first, here and below: this makes aggregates over them cheaper.
CREATE TEMPORARY TABLE edge (
  row_count bigint NOT NULL,
  parent_count bigint NOT NULL,       -- rows that name a parent
  root_count bigint NOT NULL,         -- rows that store a root
  disregarded_count bigint NOT NULL,  -- rows whose parent the root flag disregards
  self_parent_count bigint NOT NULL,  -- rows that would violate the self-parent CHECK
  job pg_catalog.text COLLATE pg_catalog."C",
  parent pg_catalog.text COLLATE pg_catalog."C",        -- the smallest
  parent_hi pg_catalog.text COLLATE pg_catalog."C",     -- the largest, where it differs: the job has several parents
  root_lo pg_catalog.text COLLATE pg_catalog."C",       -- the smallest root that the rows store
  root_hi pg_catalog.text COLLATE pg_catalog."C"        -- the largest, where it differs
) ON COMMIT DROP;

-- The few groups that need special treatment, so that later files do not have to read all of `edge`. By number, since an id may be too
-- long for an index.
CREATE INDEX edge_odd ON pg_temp.edge (row_count) WHERE job IS NULL OR parent_hi IS NOT NULL OR root_hi IS NOT NULL;

-- The jobs that are a parent of another job: most are not, and need no walk.
CREATE TEMPORARY TABLE inner_job (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  parent pg_catalog.text COLLATE pg_catalog."C",  -- where it has one only
  kind pg_catalog."char" NOT NULL,     -- r a root, d a dangling parent, c a job with several parents (a cut), p one with one parent
  root_lo pg_catalog.text COLLATE pg_catalog."C", -- as in edge
  root_hi pg_catalog.text COLLATE pg_catalog."C"
) ON COMMIT DROP;

-- Serves the walk down. Filled in its own order, it is cheap to build.
CREATE INDEX inner_child ON pg_temp.inner_job (parent) WHERE kind OPERATOR(pg_catalog.=) 'p';

-- Every inner job that a walk down from a top reaches, with that top. Jobs that are not in here are cyclic.
CREATE TEMPORARY TABLE walk (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  top pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  steps integer NOT NULL,  -- from the top down to the job
  kind pg_catalog."char" NOT NULL     -- of the top: r, d or c
) ON COMMIT DROP;

-- The jobs with several parents, and the results of solve.sql.
CREATE TEMPORARY TABLE cut (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  solved boolean NOT NULL DEFAULT false,  -- stays false where the job is cyclic
  root pg_catalog.text COLLATE pg_catalog."C",                  -- NULL where ambiguous
  depth integer,
  dangling boolean NOT NULL DEFAULT false
) ON COMMIT DROP;

-- Their parents, each pair once.
CREATE TEMPORARY TABLE cut_parent (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  parent pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;

-- The roots that a job's rows store: r the computed one, m several (mixed), o another one, NULL none.
CREATE OR REPLACE FUNCTION pg_temp.held(root_lo pg_catalog.text, root_hi pg_catalog.text, root pg_catalog.text) RETURNS pg_catalog."char"
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN root_hi IS NOT NULL THEN 'm'::pg_catalog."char"
    WHEN root_lo OPERATOR(pg_catalog.=) root THEN 'r'::pg_catalog."char"
    WHEN root_lo IS NOT NULL THEN 'o'::pg_catalog."char" END
$$;

-- Every known job, including dangling parents, except the cyclic ones.
CREATE TEMPORARY TABLE lineage (
  row_count bigint,           -- as in edge, carried along to spare a join; NULL for a dangling parent
  root_count bigint,          -- the same
  depth integer NOT NULL,
  ambiguous boolean NOT NULL,
  dangling boolean NOT NULL,  -- the root is a dangling parent
  held pg_catalog."char",                -- as above
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  root pg_catalog.text COLLATE pg_catalog."C"       -- NULL where ambiguous
) ON COMMIT DROP;

-- The cyclic jobs, numbered in the order of their ids, and the parent edges among them.
CREATE TEMPORARY TABLE cyclic (
  number integer NOT NULL,
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE cyclic_edge (
  child integer NOT NULL,
  parent integer NOT NULL
) ON COMMIT DROP;

-- The groups of `edge` that are neither untracked nor cyclic, with their computed root by the policy for dangling parents.
-- Rows without a job id have NULL as job.
--   root   the root that the rows are to store; NULL: none
CREATE TEMPORARY VIEW graded AS
SELECT known.job, known.parent, known.row_count, known.root_count, known.held, known.depth,
       known.ambiguous, known.dangling,
       CASE WHEN NOT known.dangling OR (SELECT fill_dangling FROM pg_temp.setting) THEN known.root END AS root
FROM (
  SELECT job, NULL::pg_catalog.text COLLATE pg_catalog."C" AS parent, row_count, root_count, held, depth, ambiguous, dangling, root
  FROM pg_temp.lineage
  WHERE row_count IS NOT NULL
  UNION ALL
  SELECT NULL, edge.parent, edge.row_count, edge.root_count, pg_temp.held(edge.root_lo, edge.root_hi, lineage.root), NULL,
         lineage.ambiguous, lineage.dangling, lineage.root
  FROM pg_temp.edge
  JOIN pg_temp.lineage ON lineage.job OPERATOR(pg_catalog.=) edge.parent
  WHERE edge.job IS NULL
) AS known;
