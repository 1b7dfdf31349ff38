-- Removes the progress of jobs. Primary key.
DELETE FROM legwork.progress
WHERE id = ANY ($1);
