-- Locks the leases that list any of some jobs. A small table: one row per claimed batch.
SELECT l.id, l.server, l.claimed_at, l.open, l.firsts, l.ns, l.runs, l.failures, l.losses, l.queues,
    l.kinds, l.priorities
FROM legwork.lease AS l
WHERE EXISTS (
    SELECT 1
    FROM unnest(l.firsts, l.ns) AS e (first, n)
        JOIN unnest($1) AS u (id) ON u.id >= e.first AND u.id < e.first + e.n)
ORDER BY l.id
FOR UPDATE;
