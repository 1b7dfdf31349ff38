-- Locks and reads leases of servers that are gone, but those that another rescuer has. Walks
-- leases, a small table.
SELECT l.id, l.server, l.claimed_at, l.open, l.firsts, l.ns, l.runs, l.failures, l.losses, l.queues,
    l.kinds, l.priorities
FROM legwork.lease AS l
WHERE NOT EXISTS (
    SELECT 1
    FROM legwork.server AS s
    WHERE s.id = l.server
        AND s.gone_at IS NULL)
ORDER BY l.id
LIMIT $1
FOR UPDATE SKIP LOCKED;
