-- Removes the runs of jobs. Primary key.
DELETE FROM legwork.outcome
WHERE id = ANY ($1);
