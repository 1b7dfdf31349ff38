-- Finds the names of queue numbers. Primary key.
SELECT id, name
FROM legwork.queue
WHERE id = ANY ($1);
