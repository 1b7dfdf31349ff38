-- Keeps the latest progress of a run. Primary key.
INSERT INTO legwork_progress (id, run, share, message)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET
    run = excluded.run,
    share = excluded.share,
    message = excluded.message;
