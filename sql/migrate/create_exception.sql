-- For a rewrite, which runs an expression on each row: most rows' root is their own job or their own parent, and here are the
-- jobs for which that is not so. Lock: none.
CREATE TEMPORARY TABLE exception (
  job text COLLATE "C" PRIMARY KEY,
  root text COLLATE "C"  -- NULL: nothing is filled in
) ON COMMIT DROP;

-- The root of a row: its job's where that is an exception, else its parent's, else the parent or the job itself.
CREATE OR REPLACE FUNCTION pg_temp.root_of(job text, parent text) RETURNS text
LANGUAGE plpgsql STABLE
AS $root_of$
DECLARE
  root text;
BEGIN
  SELECT exception.root INTO root FROM pg_temp.exception WHERE exception.job = root_of.job COLLATE "C";
  IF FOUND THEN
    RETURN root;
  END IF;
  IF parent IS NULL THEN
    RETURN job;
  END IF;
  SELECT exception.root INTO root FROM pg_temp.exception WHERE exception.job = root_of.parent COLLATE "C";
  IF FOUND THEN
    RETURN root;
  END IF;
  RETURN parent;
END
$root_of$;
