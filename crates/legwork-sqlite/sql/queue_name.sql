-- Reads the name of a queue. Primary key.
SELECT name
FROM legwork_queue
WHERE id = ?1;
