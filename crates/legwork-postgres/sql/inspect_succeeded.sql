-- Lists succeeded jobs, latest first. Index outcome_succeeded, backwards.
SELECT ended_at, id, run, failures
FROM legwork.outcome
WHERE result = 1
    AND (ended_at, id) < ($1, $2)
ORDER BY ended_at DESC, id DESC
LIMIT $3;
