-- Reads where a job belongs. Primary key.
SELECT queue, kind, priority
FROM legwork_job
WHERE id = ?1;
