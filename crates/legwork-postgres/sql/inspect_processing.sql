-- Lists what servers hold, in the order in which it was claimed. Leases are few: all are read and
-- sorted; of their jobs as many are looked up as are shown. Primary key of outcome.
SELECT h.claimed_at, h.id, h.run, h.failures, h.server, h.queue, h.kind
FROM (
    SELECT l.claimed_at, e.first + nth AS id, e.run, e.failures, l.server, e.queue, e.kind
    FROM legwork.lease AS l
        CROSS JOIN LATERAL
            unnest(l.firsts, l.ns, l.runs, l.failures, l.queues, l.kinds)
            AS e (first, n, run, failures, queue, kind)
        CROSS JOIN LATERAL generate_series(0, e.n - 1) AS nth
    WHERE l.claimed_at >= $1
    ORDER BY 1, 2) AS h
    LEFT JOIN LATERAL (
        SELECT true AS ended
        FROM legwork.outcome AS o
        WHERE o.id = h.id
            AND o.run = h.run
        LIMIT 1) AS o ON true
WHERE (h.claimed_at, h.id) > ($1, $2)
    AND o.ended IS NULL
ORDER BY h.claimed_at, h.id
LIMIT $3;
