-- Solves the cuts, the jobs whose rows disagree, from the ends of their upward walks (Kahn's algorithm). Lock: none.
--   1. Each parent of such a job has a top: if the top is a root or dangling parent, it is an end of the job; if it is another cut, the
--      job waits for that; a parent that no walk reached is cyclic, and its job waits forever.
--   2. A job that waits for no other passes its end, and the longest distance to it, on to the jobs that wait for it.
--   3. Different ends make a job ambiguous, and everything below it. Jobs that still wait in the end are cyclic.
-- It uses arrays of integers, because 50,000 such jobs may be above each other: one statement per level would be 50,000 statements.
DO $solve$
DECLARE
  cuts integer[];
  ends integer[];
  ambiguous boolean[];
  depths integer[];
  waits integer[];      -- parents not solved yet
  children integer[];   -- of the links, ordered by their parent
  link_steps integer[];
  last_link integer[];  -- by parent: where its links end
  queue integer[];
  queued integer := 0;
  taken integer := 0;
  at integer;
  child integer;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_temp.cut) THEN
    RETURN;
  END IF;

  WITH link AS (
    SELECT cut_parent.number AS cut, lineage.top, lineage.depth + 1 AS steps, coalesce(lineage.kind, 'c') = 'c' AS waiting
    FROM pg_temp.cut_parent
    LEFT JOIN pg_temp.lineage ON lineage.number = cut_parent.parent
  ), node AS (
    SELECT cut,
           row_number() OVER (ORDER BY cut)::integer AS number,
           min(top) FILTER (WHERE NOT waiting) AS lo,
           max(top) FILTER (WHERE NOT waiting) AS hi,
           coalesce(max(steps) FILTER (WHERE NOT waiting), 0) AS depth,
           count(*) FILTER (WHERE waiting)::integer AS waits
    FROM link
    GROUP BY cut
  ), joined AS (
    SELECT parent.number AS parent, child.number AS child, link.steps
    FROM link
    JOIN node AS parent ON parent.cut = link.top
    JOIN node AS child ON child.cut = link.cut
    WHERE link.waiting
  ), fan AS (
    SELECT node.number, sum(count(joined.child)) OVER (ORDER BY node.number)::integer AS last_link
    FROM node
    LEFT JOIN joined ON joined.parent = node.number
    GROUP BY node.number
  )
  SELECT node_list.cuts, node_list.ends, node_list.ambiguous, node_list.depths, node_list.waits,
         link_list.children, link_list.steps, fan_list.last_link
  INTO cuts, ends, ambiguous, depths, waits, children, link_steps, last_link
  FROM (
    SELECT array_agg(cut ORDER BY number) AS cuts, array_agg(lo ORDER BY number) AS ends,
           array_agg(coalesce(lo <> hi, false) ORDER BY number) AS ambiguous,
           array_agg(depth ORDER BY number) AS depths, array_agg(waits.waits ORDER BY number) AS waits
    FROM node AS waits
  ) AS node_list,
  (SELECT array_agg(joined.child ORDER BY parent, joined.child) AS children,
          array_agg(steps ORDER BY parent, joined.child) AS steps FROM joined) AS link_list,
  (SELECT array_agg(fan.last_link ORDER BY number) AS last_link FROM fan) AS fan_list;

  queue := array_fill(0, ARRAY[cardinality(cuts)]);
  FOR number IN 1 .. cardinality(cuts) LOOP
    IF waits[number] = 0 THEN
      queued := queued + 1;
      queue[queued] := number;
    END IF;
  END LOOP;

  WHILE taken < queued LOOP
    taken := taken + 1;
    at := queue[taken];
    FOR link IN CASE WHEN at = 1 THEN 1 ELSE last_link[at - 1] + 1 END .. last_link[at] LOOP
      child := children[link];
      IF ambiguous[at] OR ends[child] <> ends[at] THEN
        ambiguous[child] := true;
      END IF;
      ends[child] := ends[at];
      depths[child] := greatest(depths[child], depths[at] + link_steps[link]);
      waits[child] := waits[child] - 1;
      IF waits[child] = 0 THEN
        queued := queued + 1;
        queue[queued] := child;
      END IF;
    END LOOP;
  END LOOP;

  UPDATE pg_temp.cut
  SET solved = true,
      top = CASE WHEN NOT solved_cut.ambiguous THEN solved_cut.root END,
      root = CASE WHEN NOT solved_cut.ambiguous AND (lineage.kind = 'r' OR (SELECT setting.fill_dangling FROM pg_temp.setting))
        THEN lineage.job END,
      depth = solved_cut.depth,
      dangling = NOT solved_cut.ambiguous AND lineage.kind = 'd'
  FROM unnest(cuts, ends, ambiguous, depths, waits) AS solved_cut (number, root, ambiguous, depth, waits)
  JOIN pg_temp.lineage ON lineage.number = solved_cut.root
  WHERE solved_cut.waits = 0 AND solved_cut.number = cut.number;
END
$solve$;

ANALYZE pg_temp.cut;
