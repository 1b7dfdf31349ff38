-- Labels a job. Primary key.
INSERT INTO legwork_tag (tag, id)
VALUES (?1, ?2)
ON CONFLICT DO NOTHING;
