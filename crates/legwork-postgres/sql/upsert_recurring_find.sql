-- Locks and reads a recurring job. Primary key.
SELECT spec, generation, since, last_at, next_at, ended, last_job, revision
FROM legwork.recurring
WHERE id = $1
FOR UPDATE;
