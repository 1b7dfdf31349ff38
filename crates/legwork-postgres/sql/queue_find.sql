-- Finds the numbers of queue names. Unique index on name.
SELECT id, name
FROM legwork.queue
WHERE name = ANY ($1);
