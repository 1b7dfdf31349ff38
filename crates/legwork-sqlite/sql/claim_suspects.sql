-- Tells whether a queue has suspects. Primary key.
SELECT 1
FROM legwork_ready
WHERE queue = ?1
    AND suspect = 1
LIMIT 1;
