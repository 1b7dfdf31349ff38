-- Reads the result of a job. Primary key.
SELECT json
FROM legwork_result
WHERE id = ?1;
