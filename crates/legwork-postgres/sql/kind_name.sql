-- Finds the names of kind numbers. Primary key.
SELECT id, name
FROM legwork.kind
WHERE id = ANY ($1);
