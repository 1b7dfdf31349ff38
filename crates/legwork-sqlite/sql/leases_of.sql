-- Lists the leases of a server. Index legwork_lease_server.
SELECT id, server, claimed_at, open, jobs
FROM legwork_lease
WHERE server = ?1
ORDER BY id;
