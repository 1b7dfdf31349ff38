-- Forgets the result of a job. Primary key.
DELETE FROM legwork_result
WHERE id = ?1;
