-- Ends the waiting of continuations. Primary key.
DELETE FROM legwork.waiting
WHERE id = ANY ($1);
