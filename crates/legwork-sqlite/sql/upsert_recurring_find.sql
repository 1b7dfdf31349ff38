-- Reads a recurring job. Primary key.
SELECT spec, generation, since, last_at, next_at, ended, last_job, revision
FROM legwork_recurring
WHERE id = ?1;
