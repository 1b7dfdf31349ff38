-- Keeps the latest progress of runs that their leases hold, and of each the last that was told, in
-- the order of the jobs. Primary keys.
INSERT INTO legwork.progress AS p (id, run, share, message)
SELECT DISTINCT ON (u.id) u.id, u.run, u.share, u.message
FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u (id, run, lease, share, message, nth)
WHERE EXISTS (
        SELECT 1
        FROM legwork.lease AS l
            CROSS JOIN LATERAL unnest(l.firsts, l.ns, l.runs) AS e (first, n, run)
        WHERE l.id = u.lease
            AND u.id >= e.first
            AND u.id < e.first + e.n
            AND e.run = u.run)
    AND NOT EXISTS (
        SELECT 1
        FROM legwork.outcome AS o
        WHERE o.id = u.id
            AND o.run = u.run)
ORDER BY u.id, u.nth DESC
ON CONFLICT (id) DO UPDATE SET
    run = excluded.run,
    share = excluded.share,
    message = excluded.message
WHERE p.run <= excluded.run;
