-- Removes the progress of a job. Primary key.
DELETE FROM legwork_progress
WHERE id = ?1;
