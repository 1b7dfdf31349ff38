-- Reads the options of a job. Primary key.
SELECT options
FROM legwork_job
WHERE id = ?1;
