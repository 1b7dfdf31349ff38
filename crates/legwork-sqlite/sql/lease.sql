-- Reads a lease. Primary key.
SELECT server, claimed_at, open, jobs
FROM legwork_lease
WHERE id = ?1;
