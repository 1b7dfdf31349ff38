-- Tells which jobs there are. Primary key.
SELECT id
FROM legwork.job
WHERE id = ANY ($1);
