-- Reads how jobs ended, those that are final. Primary key of outcome.
SELECT id, result
FROM legwork.outcome
WHERE id = ANY ($1)
    AND result BETWEEN 1 AND 3;
