-- The jobs that the local checks look at: those whose rows disagree on the parent, those of rows with another root than the computed one or
-- than their parent's rows, and the jobs that such rows store as their root. The rows of all other jobs agree with each other and with
-- their parents, up to a root that stores itself. Lock: ACCESS SHARE.
INSERT INTO pg_temp.suspect (job)
SELECT found.job
FROM (
  SELECT cut.job FROM pg_temp.cut
  UNION
  SELECT unnest(ARRAY[rooted.job, rooted.root])
  FROM :rooted AS rooted
  WHERE rooted.root IS NOT NULL AND (rooted.unlike OR rooted.stored = 'x')
    AND (SELECT bool_or(tally.stored = 'x' OR tally.unlike) FROM pg_temp.tally)  -- else the log is not read
) AS found
WHERE found.job IS NOT NULL;

ANALYZE pg_temp.suspect;
