-- Keeps a job from becoming the parent of another. Primary key.
SELECT 1
FROM legwork.job
WHERE id = $1
FOR UPDATE;
