-- Removes a recurring job. Primary key.
DELETE FROM legwork.recurring
WHERE id = $1;
