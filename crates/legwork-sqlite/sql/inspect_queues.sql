-- Lists the queues by name, with their pauses.
SELECT q.id, q.name, p.at, p.actor
FROM legwork_queue AS q
    LEFT JOIN legwork_pause AS p ON p.queue = q.id
ORDER BY q.name;
