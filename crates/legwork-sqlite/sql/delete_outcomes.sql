-- Removes the runs of a job. Primary key.
DELETE FROM legwork_outcome
WHERE id = ?1;
