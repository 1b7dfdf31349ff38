-- Reads the queues and kinds of jobs. Primary key.
SELECT id, queue, kind
FROM legwork.job
WHERE id = ANY ($1);
