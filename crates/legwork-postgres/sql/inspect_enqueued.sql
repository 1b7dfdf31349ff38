-- Lists tickets queue by queue, in the order in which they will be claimed, from ticket place $4 of
-- priority $3 in queue $2 on, whose name is $1. In each queue the groups are found by walking over
-- the first of each and merged. Queues that the page does not reach are not looked at. Unique index
-- of queue by name, primary key of ready.
SELECT q.id, t.kind, t.priority, t.seq, t.first, t.n, t.run, t.failures, t.entered_at
FROM legwork.queue AS q
    CROSS JOIN LATERAL (
        WITH RECURSIVE walk AS (
            (SELECT r.suspect, r.kind
            FROM legwork.ready AS r
            WHERE r.queue = q.id
            ORDER BY r.suspect, r.kind
            LIMIT 1)
            UNION ALL
            SELECT n.suspect, n.kind
            FROM walk AS w
                CROSS JOIN LATERAL (
                    SELECT r.suspect, r.kind
                    FROM legwork.ready AS r
                    WHERE r.queue = q.id
                        AND (r.suspect, r.kind) > (w.suspect, w.kind)
                    ORDER BY r.suspect, r.kind
                    LIMIT 1) AS n)
        SELECT g.*
        FROM walk AS w
            CROSS JOIN LATERAL (
                SELECT r.kind, r.priority, r.seq, r.first, r.n, r.run, r.failures, r.entered_at
                FROM legwork.ready AS r
                WHERE r.queue = q.id
                    AND r.suspect = w.suspect
                    AND r.kind = w.kind
                    -- A ticket has at most 100 places; those before may end within it.
                    AND (r.priority, r.seq) > (
                        CASE WHEN q.id = $2 THEN $3 ELSE -32768 END,
                        CASE WHEN q.id = $2 THEN $4 ELSE 0 END - 100)
                    AND (q.id <> $2 OR r.priority > $3 OR r.seq + r.n > $4)
                ORDER BY r.priority, r.seq
                LIMIT $7) AS g
        WHERE $6 = 0 OR w.kind = $6
        ORDER BY g.priority, g.seq
        LIMIT $7) AS t
WHERE q.name >= $1
    AND ($5 = 0 OR q.id = $5)
ORDER BY q.name, t.priority, t.seq
LIMIT $7;
