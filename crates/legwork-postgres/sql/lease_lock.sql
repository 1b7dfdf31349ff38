-- Locks and reads a lease. Primary key.
SELECT id, server, claimed_at, open, firsts, ns, runs, failures, losses, queues, kinds, priorities
FROM legwork.lease
WHERE id = $1
FOR UPDATE;
