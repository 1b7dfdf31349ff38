-- Lists what a server holds. Index legwork_lease_server.
SELECT id, open
FROM legwork_lease
WHERE server = ?1;
