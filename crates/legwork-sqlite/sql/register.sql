-- Adds a server.
INSERT INTO legwork_server (incarnation, boot, beat, beat_at, started_at, gone_at, info)
VALUES (?1, ?2, 0, ?3, ?3, NULL, ?4);
