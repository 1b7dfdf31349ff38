-- Waits until nobody else has the next ticket of some lane, and locks it. Primary key of ready.
SELECT 1
FROM unnest($2, $3, $4, $5, $6, $7, $8)
        AS l (place, queue, suspect, kind, priority, seq, last_priority)
    CROSS JOIN LATERAL (
        SELECT r.seq
        FROM legwork.ready AS r
        WHERE r.queue = l.queue
            AND r.suspect = l.suspect
            AND r.kind = l.kind
            AND (r.priority, r.seq) > (l.priority, l.seq)
            AND r.priority <= l.last_priority
        ORDER BY r.priority, r.seq
        LIMIT 1
        FOR UPDATE) AS t
WHERE EXISTS (SELECT 1 FROM legwork.server AS s WHERE s.id = $1 AND s.gone_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM legwork.pause AS p WHERE p.queue = l.queue)
LIMIT 1;
