-- Remembers an applied migration.
INSERT INTO legwork_migration (version, name, breaking, applied_at)
VALUES (?1, ?2, ?3, ?4);
