-- Reads what a list shows of a job. Primary key.
SELECT queue, kind, priority, created_at
FROM legwork_job
WHERE id = ?1;
