-- Lets continuations wait.
INSERT INTO legwork.waiting (id, open, delay, start_at)
SELECT u.id, u.open, u.delay, u.start_at
FROM unnest($1, $2, $3, $4) AS u (id, open, delay, start_at);
