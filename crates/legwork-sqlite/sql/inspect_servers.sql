-- Lists live servers, then those that have gone since an instant.
SELECT s.info, s.started_at, s.beat_at, s.gone_at,
    (SELECT coalesce(sum(l.open), 0) FROM legwork_lease AS l WHERE l.server = s.id)
FROM legwork_server AS s
WHERE s.info IS NOT NULL
    AND (s.gone_at IS NULL OR s.gone_at >= ?1)
ORDER BY s.gone_at IS NOT NULL, s.gone_at DESC, s.id
LIMIT 1000;
