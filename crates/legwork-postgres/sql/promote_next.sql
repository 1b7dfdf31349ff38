-- Reads the next due time, and what time it is. Primary key.
SELECT run_at, coalesce($1, now())
FROM legwork.due
ORDER BY run_at
LIMIT 1;
