-- Reads the last run of a job that ended. Primary key of outcome, backwards.
SELECT run, result, server, claimed_at, ran_for, ended_at, failures
FROM legwork_outcome
WHERE id = ?1
ORDER BY run DESC
LIMIT 1;
