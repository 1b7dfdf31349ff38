-- Ends the waiting of a continuation. Primary key.
DELETE FROM legwork_waiting
WHERE id = ?1;
