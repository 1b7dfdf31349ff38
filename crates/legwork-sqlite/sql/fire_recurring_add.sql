-- Remembers an occurrence. Primary key.
INSERT INTO legwork_occurrence (recurring, at, job)
VALUES (?1, ?2, ?3);
