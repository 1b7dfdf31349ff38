-- Tells whether there is a job. Primary key.
SELECT 1
FROM legwork_job
WHERE id = ?1;
