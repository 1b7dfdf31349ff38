-- Forgets the results of jobs. Primary key.
DELETE FROM legwork.result
WHERE id = ANY ($1);
