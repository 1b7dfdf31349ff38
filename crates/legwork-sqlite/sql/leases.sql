-- Walks all leases: a small table, one row per claimed batch.
SELECT id, server, claimed_at, open, jobs
FROM legwork_lease
ORDER BY id;
