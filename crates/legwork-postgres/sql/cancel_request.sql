-- Asks the server of a run to cancel it. Primary key.
INSERT INTO legwork.cancel (server, id, run, actor)
VALUES ($1, $2, $3, $4)
ON CONFLICT (server, id) DO UPDATE SET run = excluded.run, actor = excluded.actor;
