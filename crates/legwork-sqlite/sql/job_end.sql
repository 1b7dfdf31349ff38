-- Reads how a job ended, if it is final. Primary key of outcome.
SELECT result
FROM legwork_outcome
WHERE id = ?1
    AND result BETWEEN 1 AND 3;
