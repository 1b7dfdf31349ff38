-- Removes a job. Primary key.
DELETE FROM legwork_job
WHERE id = ?1;
