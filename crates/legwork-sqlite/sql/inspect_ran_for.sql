-- Reads how long the last run of a job took that its handler ended. Primary key of outcome.
SELECT ran_for
FROM legwork_outcome
WHERE id = ?1
    AND ran_for IS NOT NULL
ORDER BY run DESC
LIMIT 1;
