-- Lists the queues by name with their pauses, what can be claimed in up to $1 tickets, and when the
-- first of these jobs was enqueued: ids rise with time, so that it is the lowest among the first
-- tickets of each kind. Unique index of queue by name, primary keys.
SELECT q.name, p.at, p.actor, d.n, j.created_at
FROM legwork.queue AS q
    LEFT JOIN legwork.pause AS p ON p.queue = q.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.n), 0) AS n
        FROM (
            SELECT r.n
            FROM legwork.ready AS r
            WHERE r.queue = q.id
            ORDER BY r.suspect, r.kind, r.priority, r.seq
            LIMIT $1) AS t) AS d
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
        SELECT min(t.first) AS first
        FROM walk AS w
            CROSS JOIN LATERAL (
                SELECT r.first
                FROM legwork.ready AS r
                WHERE r.queue = q.id
                    AND r.suspect = w.suspect
                    AND r.kind = w.kind
                ORDER BY r.priority, r.seq
                LIMIT 200) AS t) AS f
    LEFT JOIN LATERAL (
        SELECT j.created_at
        FROM legwork.job AS j
        WHERE j.id = f.first
        LIMIT 1) AS j ON true
ORDER BY q.name;
