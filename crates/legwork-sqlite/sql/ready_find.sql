-- Finds the ticket of a job that stands where its id says. Primary key, backwards.
SELECT seq, first, n, run, failures, losses, entered_at
FROM legwork_ready
WHERE queue = ?1
    AND suspect = ?2
    AND kind = ?3
    AND priority = ?4
    AND seq <= ?5
ORDER BY seq DESC
LIMIT 1;
