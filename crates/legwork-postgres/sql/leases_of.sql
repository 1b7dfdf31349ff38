-- Locks and reads the leases of a server. Index lease_server.
SELECT l.id, l.server, l.claimed_at, l.open, l.firsts, l.ns, l.runs, l.failures, l.losses, l.queues,
    l.kinds, l.priorities
FROM legwork.lease AS l
WHERE l.server = $1
ORDER BY l.id
FOR UPDATE;
