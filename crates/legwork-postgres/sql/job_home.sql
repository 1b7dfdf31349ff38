-- Reads where jobs belong. Primary key.
SELECT id, queue, kind, priority
FROM legwork.job
WHERE id = ANY ($1);
