-- Reads the incarnation of a server. Primary key.
SELECT incarnation
FROM legwork_server
WHERE id = ?1;
