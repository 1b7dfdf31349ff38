-- Lists the latest runs of a job, with the names of their servers. Primary keys.
SELECT o.run, o.result, s.incarnation, o.claimed_at, o.ran_for, o.ended_at
FROM (
    SELECT run, result, server, claimed_at, ran_for, ended_at
    FROM legwork.outcome
    WHERE id = $1
    ORDER BY run DESC
    LIMIT 1000) AS o
    LEFT JOIN LATERAL (
        SELECT s.incarnation
        FROM legwork.server AS s
        WHERE s.id = o.server
        LIMIT 1) AS s ON true
ORDER BY o.run DESC;
