-- Reads the states of jobs: each by the place of its marker; what is nowhere else is in a lease.
-- Primary keys, indexes due_job and ready_again.
SELECT j.id,
    CASE
        WHEN o.result = 1 THEN 'succeeded'
        WHEN o.result = 2 THEN 'failed'
        WHEN o.result = 3 THEN 'cancelled'
        WHEN w.id IS NOT NULL THEN 'awaiting'
        WHEN d.id IS NOT NULL THEN 'scheduled'
        WHEN f.first <= j.id AND j.id < f.first + f.n OR a.first IS NOT NULL THEN 'enqueued'
        ELSE 'processing'
    END
FROM unnest($1) AS u (id)
    CROSS JOIN LATERAL (
        SELECT j.id, j.queue, j.kind, j.priority
        FROM legwork.job AS j
        WHERE j.id = u.id
        LIMIT 1) AS j
    LEFT JOIN LATERAL (
        SELECT o.result
        FROM legwork.outcome AS o
        WHERE o.id = j.id
        ORDER BY o.run DESC
        LIMIT 1) AS o ON true
    LEFT JOIN LATERAL (SELECT w.id FROM legwork.waiting AS w WHERE w.id = j.id LIMIT 1) AS w ON true
    LEFT JOIN LATERAL (SELECT d.id FROM legwork.due AS d WHERE d.id = j.id LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (
        SELECT r.first, r.n
        FROM legwork.ready AS r
        WHERE r.queue = j.queue
            AND r.suspect = false
            AND r.kind = j.kind
            AND r.priority = j.priority
            AND r.seq <= j.id
        ORDER BY r.seq DESC
        LIMIT 1) AS f ON true
    LEFT JOIN LATERAL (
        SELECT r.first
        FROM legwork.ready AS r
        WHERE r.seq <> r.first
            AND r.first = j.id
        LIMIT 1) AS a ON true;
