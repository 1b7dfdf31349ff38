-- Counts the jobs in each state and what is on its way, each up to a bound; claimable ones in up to
-- so many tickets. Leases and live servers are few. Primary keys, partial indexes of outcome and
-- due.
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM legwork.waiting LIMIT $1) AS n),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.due LIMIT $1) AS n),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.due WHERE failures > 0 LIMIT $1) AS n),
    (SELECT coalesce(sum(n), 0)
    FROM (
        SELECT n
        FROM legwork.ready
        ORDER BY queue, suspect, kind, priority, seq
        LIMIT $1) AS n),
    (SELECT coalesce(sum(open), 0) FROM legwork.lease),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.outcome WHERE result = 1 LIMIT $1) AS n),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.outcome WHERE result = 2 LIMIT $1) AS n),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.outcome WHERE result = 3 LIMIT $1) AS n),
    (SELECT count(*) FROM (SELECT 1 FROM legwork.recurring LIMIT $1) AS n),
    (SELECT count(*) FROM legwork.server WHERE gone_at IS NULL);
