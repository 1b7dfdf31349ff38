-- Reads what a continuation waits for. Primary key.
SELECT open, delay, start_at
FROM legwork_waiting
WHERE id = ?1;
