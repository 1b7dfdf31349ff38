-- Reads what a list shows of jobs; $2 and $3 are run and server of those that are processing. Of
-- each: its last run that a handler ended, and its latest error among 50 events. Each part is
-- looked up by itself, whatever the tables looked like when the plan was made. Primary keys,
-- index event_job.
SELECT u.nth, j.queue, j.kind, j.priority, j.created_at, s.incarnation, o.ran_for, p.share::float4,
    p.message, e.what
FROM unnest($1, $2, $3) WITH ORDINALITY AS u (id, run, server, nth)
    CROSS JOIN LATERAL (
        SELECT j.queue, j.kind, j.priority, j.created_at
        FROM legwork.job AS j
        WHERE j.id = u.id
        LIMIT 1) AS j
    LEFT JOIN LATERAL (
        SELECT s.incarnation
        FROM legwork.server AS s
        WHERE s.id = u.server
        LIMIT 1) AS s ON true
    LEFT JOIN LATERAL (
        SELECT p.share, p.message
        FROM legwork.progress AS p
        WHERE p.id = u.id
            AND p.run = u.run
        LIMIT 1) AS p ON true
    LEFT JOIN LATERAL (
        SELECT o.ran_for
        FROM legwork.outcome AS o
        WHERE o.id = u.id
            AND o.ran_for IS NOT NULL
        ORDER BY o.run DESC
        LIMIT 1) AS o ON true
    LEFT JOIN LATERAL (
        SELECT l.what
        FROM (
            SELECT e.n, e.what
            FROM legwork.event AS e
            WHERE e.id = u.id
            ORDER BY e.n DESC
            LIMIT 50) AS l
        WHERE l.what ~ '"event": ?"(retried|failed)"'
        ORDER BY l.n DESC
        LIMIT 1) AS e ON true
ORDER BY u.nth;
