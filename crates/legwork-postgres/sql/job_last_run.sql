-- Reads the number of the last run of a job that ended. Primary key of outcome, backwards.
SELECT max(run)
FROM legwork.outcome
WHERE id = $1;
