-- Finds where a job belongs and is, in all places at one moment. Primary keys, indexes due_job and
-- ready_again; the leases, a small table, are walked only for a job that is in no other place.
SELECT l.id, l.server, l.claimed_at, l.open, l.firsts, l.ns, l.runs, l.failures, l.losses, l.queues,
    l.kinds, l.priorities, l.run,
    j.queue, j.kind, j.priority,
    o.run, o.result, o.failures, o.ended_at,
    t.seq, t.first, t.n, t.run, t.failures, t.losses, t.entered_at,
    d.run_at, d.run, d.failures, d.losses,
    w.id IS NOT NULL
FROM legwork.job AS j
    LEFT JOIN LATERAL (
        SELECT x.run, x.result, x.failures, x.ended_at
        FROM legwork.outcome AS x
        WHERE x.id = j.id
        ORDER BY x.run DESC
        LIMIT 1) AS o ON true
    LEFT JOIN LATERAL (
        -- A fresh ticket stands at its first id and has at most 100.
        SELECT r.seq, r.first, r.n, r.run, r.failures, r.losses, r.entered_at
        FROM legwork.ready AS r
        WHERE r.queue = j.queue
            AND NOT r.suspect
            AND r.kind = j.kind
            AND r.priority = j.priority
            AND r.seq BETWEEN j.id - 99 AND j.id
            AND r.seq = r.first
            AND j.id < r.first + r.n
        UNION ALL
        SELECT r.seq, r.first, r.n, r.run, r.failures, r.losses, r.entered_at
        FROM legwork.ready AS r
        WHERE r.seq <> r.first
            AND r.first = j.id) AS t ON true
    LEFT JOIN legwork.due AS d ON d.id = j.id
    LEFT JOIN legwork.waiting AS w ON w.id = j.id
    LEFT JOIN LATERAL (
        SELECT h.*, e.run
        FROM legwork.lease AS h
            CROSS JOIN LATERAL unnest(h.firsts, h.ns, h.runs) AS e (first, n, run)
        WHERE coalesce(o.result NOT BETWEEN 1 AND 3, true)
            AND t.seq IS NULL
            AND d.id IS NULL
            AND w.id IS NULL
            AND j.id >= e.first
            AND j.id < e.first + e.n
            AND NOT EXISTS (
                SELECT 1
                FROM legwork.outcome AS x
                WHERE x.id = j.id
                    AND x.run = e.run)) AS l ON true
WHERE j.id = $1
LIMIT 1;
