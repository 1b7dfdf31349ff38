-- Finds the next group of tickets: queue, suspect and kind. Primary key.
SELECT queue, suspect, kind
FROM legwork_ready
WHERE (queue, suspect, kind) > (?1, ?2, ?3)
ORDER BY queue, suspect, kind
LIMIT 1;
