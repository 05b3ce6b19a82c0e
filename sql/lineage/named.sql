-- The jobs that are a parent of another row. Sorts must be off: the planner only guesses how many there are. Lock: ACCESS SHARE.
INSERT INTO pg_temp.node (number, job)
SELECT row_number() OVER (), named.parent
FROM (SELECT DISTINCT entry.parent FROM :entry AS entry WHERE entry.parent IS NOT NULL) AS named;

ANALYZE pg_temp.node;
