-- Locks jobs, except those that someone else uses: whose child is being stored, or that an operator
-- acts on. Primary key.
SELECT id
FROM legwork.job
WHERE id = ANY ($1)
ORDER BY id
FOR UPDATE SKIP LOCKED;
