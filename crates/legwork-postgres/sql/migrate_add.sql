-- Remembers an applied migration.
INSERT INTO legwork.migration (version, name, breaking, applied_at)
VALUES ($1, $2, $3, coalesce($4, now()));
