-- Lists the latest runs of a job. Primary key.
SELECT run, result, server, claimed_at, ran_for, ended_at, failures
FROM legwork_outcome
WHERE id = ?1
ORDER BY run DESC
LIMIT ?2;
