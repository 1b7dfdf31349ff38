-- Keeps the result of a job. Primary key.
INSERT INTO legwork_result (id, json)
VALUES (?1, ?2)
ON CONFLICT (id) DO UPDATE SET json = excluded.json;
