-- Marks that the final outcome of a job is not its end. Primary key.
UPDATE legwork_outcome
SET result = -result
WHERE id = ?1
    AND run = ?2
    AND result BETWEEN 1 AND 3;
