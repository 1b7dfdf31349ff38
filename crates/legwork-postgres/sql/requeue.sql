-- Marks that the final outcome of a job is not its end, unless it is no more. Primary key.
UPDATE legwork.outcome
SET result = -result
WHERE id = $1
    AND run = $2
    AND result BETWEEN 1 AND 3;
