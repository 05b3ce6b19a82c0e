-- The log with what was computed for each row. Files read it as `FROM :rooted AS rooted`, for the reason given in entry.sql.
-- Returns the columns of entry.sql, except blank, and:
--   computed   the root that the row is to store, by the policy for dangling parents; NULL: none
--   outcome    o its job is its own root, d the root is another job, n none since it dangles, a ambiguous, y cyclic, u untracked
--   stored     - it stores no root, r the computed one, x another one
--   dangling   its one root is a dangling parent
--   depth      of its job; NULL if it has none, or is cyclic
--   unlike     it stores another root than its parent's rows (if these store none, than the computed one), or, if it has no logged parent,
--              than that parent or its own job; never for the rows of a job that disagree on the parent
--   link       what gives it the root: the number of its parent; 0 none; -1 a cyclic job; less: the rows of its job disagree
--   marks      dangling, whether a parent is disregarded, self_parent and unlike, as a number (8, 4, 2, 1)
-- Lock: ACCESS SHARE. Run it after roots.sql.
SELECT chained.row_id, chained.job, chained.parent, chained.disregarded_parent, chained.root, chained.created_epoch, chained.self_parent,
       chained.computed, chained.dangling, chained.depth, chained.unlike, chained.link,
       CASE WHEN chained.computed IS NOT NULL THEN CASE WHEN chained.link = 0 THEN 'o'::"char" ELSE 'd'::"char" END
         WHEN chained.known THEN CASE WHEN chained.dangling THEN 'n'::"char" ELSE 'a'::"char" END
         WHEN chained.job IS NULL AND chained.parent IS NULL THEN 'u'::"char" ELSE 'y'::"char" END AS outcome,
       CASE WHEN chained.root IS NULL THEN '-'::"char" WHEN chained.root = chained.computed THEN 'r'::"char" ELSE 'x'::"char" END AS stored,
       chained.dangling::integer * 8 + (chained.disregarded_parent IS NOT NULL)::integer * 4 + chained.self_parent::integer * 2
         + chained.unlike::integer AS marks
FROM (
  SELECT entry.row_id, entry.job, entry.parent, entry.disregarded_parent, entry.root, entry.created_epoch, entry.self_parent,
         CASE WHEN cut.job IS NOT NULL THEN cut.root WHEN entry.parent IS NULL THEN entry.job ELSE above.root END AS computed,
         CASE WHEN cut.job IS NOT NULL THEN cut.solved WHEN entry.parent IS NULL THEN entry.job IS NOT NULL
           ELSE above.number IS NOT NULL END AS known,
         CASE WHEN cut.job IS NOT NULL THEN cut.dangling ELSE coalesce(above.dangling, false) END AS dangling,
         CASE WHEN entry.job IS NULL THEN NULL WHEN cut.job IS NOT NULL THEN cut.depth WHEN entry.parent IS NULL THEN 0
           ELSE above.depth + 1 END AS depth,
         CASE WHEN entry.root IS NULL OR cut.job IS NOT NULL THEN false
           WHEN entry.parent IS NULL THEN coalesce(entry.root <> entry.job, false)
           WHEN above.dangling AND above.depth = 0 THEN entry.root <> entry.parent
           ELSE (entry.root = coalesce(above.root_lo, above.root) AND above.root_hi IS NULL) IS NOT TRUE END AS unlike,
         CASE WHEN cut.job IS NOT NULL THEN -2 - coalesce(cut.number, 0) WHEN entry.parent IS NULL THEN 0
           ELSE coalesce(above.number, -1) END AS link
  FROM :entry AS entry
  LEFT JOIN pg_temp.cut ON cut.job = entry.job
  LEFT JOIN pg_temp.lineage AS above ON above.job = entry.parent
  OFFSET 0  -- a fence, as in entry.sql
) AS chained;
