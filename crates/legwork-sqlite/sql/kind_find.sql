-- Finds the number of a kind. Unique index on name.
SELECT id
FROM legwork_kind
WHERE name = ?1;
