-- Finds the numbers of kind names. Unique index on name.
SELECT id, name
FROM legwork.kind
WHERE name = ANY ($1);
