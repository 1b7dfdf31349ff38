-- Reads the results of jobs. Primary key.
SELECT id, json
FROM legwork.result
WHERE id = ANY ($1);
