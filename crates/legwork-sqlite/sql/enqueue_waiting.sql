-- Lets a continuation wait.
INSERT INTO legwork_waiting (id, open, delay, start_at)
VALUES (?1, ?2, ?3, ?4);
