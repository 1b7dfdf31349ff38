-- Pauses a queue; a repeat replaces the reason and keeps the time. Unique index on name.
INSERT INTO legwork.pause (queue, at, actor)
SELECT q.id, coalesce($1, now()), $3
FROM legwork.queue AS q
WHERE q.name = $2
ON CONFLICT (queue) DO UPDATE SET actor = excluded.actor;
