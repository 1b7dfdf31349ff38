-- Reads what is written of a job. Primary key.
SELECT queue, kind, priority, created_at, first_state, args, options
FROM legwork_job
WHERE id = ?1;
