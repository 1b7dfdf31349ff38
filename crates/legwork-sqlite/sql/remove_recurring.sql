-- Removes a recurring job. Primary key.
DELETE FROM legwork_recurring
WHERE id = ?1;
