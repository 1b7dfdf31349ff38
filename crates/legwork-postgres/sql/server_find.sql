-- Finds a server, live or gone. Unique index on incarnation.
SELECT id
FROM legwork.server
WHERE incarnation = $1;
