-- Ends a pause. Unique index on name.
DELETE FROM legwork.pause
WHERE queue = (SELECT q.id FROM legwork.queue AS q WHERE q.name = $1);
