-- Lists live servers by number, then those that have gone within a day, latest first. Indexes
-- server_live, server_gone and lease_server.
SELECT s.info, s.started_at, s.beat_at, s.gone_at,
    (SELECT coalesce(sum(l.open), 0) FROM legwork.lease AS l WHERE l.server = s.id)
FROM (
    (SELECT id, info, started_at, beat_at, gone_at
    FROM legwork.server
    WHERE gone_at IS NULL
    ORDER BY id
    LIMIT 1000)
    UNION ALL
    (SELECT id, info, started_at, beat_at, gone_at
    FROM legwork.server
    WHERE gone_at IS NOT NULL
        AND info IS NOT NULL
        AND gone_at >= coalesce($1, now()) - interval '24 hours'
    ORDER BY gone_at DESC
    LIMIT 1000)) AS s
ORDER BY s.gone_at IS NOT NULL, s.gone_at DESC, s.id
LIMIT 1000;
