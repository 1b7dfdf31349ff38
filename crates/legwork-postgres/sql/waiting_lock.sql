-- Locks and reads what continuations wait for, in the order that everyone keeps. Primary key.
SELECT id, open, delay, start_at
FROM legwork.waiting
WHERE id = ANY ($1)
ORDER BY id
FOR UPDATE;
