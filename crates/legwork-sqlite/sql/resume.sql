-- Ends a pause. Primary key.
DELETE FROM legwork_pause
WHERE queue = ?1;
