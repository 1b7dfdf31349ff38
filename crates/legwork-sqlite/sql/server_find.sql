-- Finds a server, live or gone. Unique index on incarnation.
SELECT id
FROM legwork_server
WHERE incarnation = ?1;
