-- Counts parents off. Primary key.
UPDATE legwork_waiting
SET open = ?2
WHERE id = ?1;
