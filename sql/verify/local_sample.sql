-- Some of the jobs that local.sql counts, smallest id first. Parameters: check (split, unrooted or unlinked), sample.
-- Columns: job, held, beside. Lock: ACCESS SHARE.
-- Default check: split
-- Default sample: 10
SELECT DISTINCT ON (job) job, held, beside
FROM :broken AS broken
WHERE broken.check = :'check'
ORDER BY job, held, beside
LIMIT :'sample'::integer;
