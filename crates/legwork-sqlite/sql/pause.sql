-- Pauses a queue; a repeat replaces the reason and keeps the time. Primary key.
INSERT INTO legwork_pause (queue, at, actor)
VALUES (?1, ?2, ?3)
ON CONFLICT (queue) DO UPDATE SET actor = excluded.actor;
