-- Reads the jobs of a ticket. Primary key.
SELECT id, created_at, args, options
FROM legwork_job
WHERE id BETWEEN ?1 AND ?2
ORDER BY id;
