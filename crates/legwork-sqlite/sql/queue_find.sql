-- Finds the number of a queue name. Unique index on name.
SELECT id
FROM legwork_queue
WHERE name = ?1;
