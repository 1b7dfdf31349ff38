-- Lists leases of servers that are gone. Walks leases, a small table.
SELECT l.id, l.server, l.claimed_at, l.open, l.jobs
FROM legwork_lease AS l
    LEFT JOIN legwork_server AS s ON s.id = l.server
WHERE s.id IS NULL
    OR s.gone_at IS NOT NULL
ORDER BY l.id;
