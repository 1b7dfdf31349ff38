-- Lets only one operator act on a job at a time; nobody else waits. Primary key.
SELECT 1
FROM legwork.job
WHERE id = $1
FOR NO KEY UPDATE;
