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

-- The jobs that are a parent of another row, numbered: most jobs are not, and nothing is stored about them one by one.
-- Fixed-length columns come first, here and below: this makes aggregates over them cheaper.
CREATE TEMPORARY TABLE node (
  number integer NOT NULL,
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;

-- What the rows of each node say about its parent.
CREATE TEMPORARY TABLE edge (
  number integer NOT NULL,
  parent integer NOT NULL,  -- a node; 0: none, or its rows disagree
  kind pg_catalog."char" NOT NULL,     -- r a root, d a dangling parent, p one with one parent, c one whose rows disagree (a cut)
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  root_lo pg_catalog.text COLLATE pg_catalog."C",  -- the smallest root that the rows store
  root_hi pg_catalog.text COLLATE pg_catalog."C"   -- the largest, where it differs
) ON COMMIT DROP;

-- Serves the walk down.
CREATE INDEX edge_child ON pg_temp.edge (parent) WHERE kind OPERATOR(pg_catalog.=) 'p';

-- The jobs whose rows disagree: they name different parents, or some name a parent and others none. First those that are nodes, with the
-- results of solve.sql; then the others (leaves.sql).
CREATE TEMPORARY TABLE cut (
  number integer,           -- the node; NULL: it is none
  top integer,              -- the root, a node; NULL where ambiguous
  depth integer,
  solved boolean NOT NULL DEFAULT false,    -- stays false where the job is cyclic
  dangling boolean NOT NULL DEFAULT false,  -- the root is a dangling parent
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  root pg_catalog.text COLLATE pg_catalog."C"                   -- the root to store, by the policy for dangling parents; NULL: none
) ON COMMIT DROP;

-- The parents of those that are nodes, each pair once.
CREATE TEMPORARY TABLE cut_parent (
  number integer NOT NULL,
  parent integer NOT NULL
) ON COMMIT DROP;

-- Every node that a walk down from a top reaches: what the rows that name it as their parent need to know (rooted.sql). Nodes that are not
-- in here are cyclic.
CREATE TEMPORARY TABLE lineage (
  number integer NOT NULL,
  top integer,                -- after walk.sql the top; in the end as in cut
  depth integer NOT NULL,     -- below the top; in the end below the root
  kind pg_catalog."char" NOT NULL,       -- of the top: r, d or c
  dangling boolean NOT NULL,  -- the root is a dangling parent
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
  root pg_catalog.text COLLATE pg_catalog."C",      -- as in cut
  root_lo pg_catalog.text COLLATE pg_catalog."C",   -- as in edge; NULL: none, or the top's, if that is to be stored
  root_hi pg_catalog.text COLLATE pg_catalog."C"
) ON COMMIT DROP;

-- The jobs that are no nodes and whose rows disagree.
CREATE TEMPORARY TABLE odd_job (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;

-- All other jobs, and the rows without a job, counted by what holds for each of their rows.
CREATE TEMPORARY TABLE job_tally (
  jobs bigint NOT NULL,
  rows bigint NOT NULL,
  depth integer,            -- 20: that or more; NULL: no job, or cyclic
  max_depth integer,
  state integer             -- outcome (times 2048), stored (16) and marks of rooted.sql; NULL: they differ between the rows of one job
) ON COMMIT DROP;

-- The rows of the log, counted by what was computed for them and what they store.
CREATE TEMPORARY TABLE tally (
  rows bigint NOT NULL,
  outcome pg_catalog."char" NOT NULL,  -- as in rooted.sql
  stored pg_catalog."char" NOT NULL,   -- the same
  dangling boolean NOT NULL,           -- the computed root is a dangling parent
  disregarded boolean NOT NULL,        -- the root flag disregards the parent
  self_parent boolean NOT NULL,        -- it would violate the self-parent CHECK
  unlike boolean NOT NULL              -- as in rooted.sql
) ON COMMIT DROP;

-- The cyclic nodes, numbered in the order of their ids, and the parent edges among them.
CREATE TEMPORARY TABLE cyclic (
  number integer NOT NULL,
  node integer NOT NULL,
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE cyclic_edge (
  child integer NOT NULL,
  parent integer NOT NULL
) ON COMMIT DROP;

-- Ids of unusual length or with unusual roots, which are looked at one by one (preflight/long_roots.sql, verify/suspects.sql).
CREATE TEMPORARY TABLE suspect (
  job pg_catalog.text COLLATE pg_catalog."C" NOT NULL
) ON COMMIT DROP;
