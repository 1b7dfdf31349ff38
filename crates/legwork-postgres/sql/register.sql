-- Adds a server, unless its incarnation was ever used. Unique index on incarnation.
INSERT INTO legwork.server (incarnation, beat, beat_at, started_at, info)
VALUES ($1, 0, coalesce($2, now()), coalesce($2, now()), $3)
ON CONFLICT (incarnation) DO NOTHING;
