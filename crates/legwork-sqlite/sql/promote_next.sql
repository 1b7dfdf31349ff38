-- Reads the next due time. Primary key.
SELECT run_at
FROM legwork_due
ORDER BY run_at
LIMIT 1;
