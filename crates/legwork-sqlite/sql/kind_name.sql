-- Reads the name of a kind. Primary key.
SELECT name
FROM legwork_kind
WHERE id = ?1;
