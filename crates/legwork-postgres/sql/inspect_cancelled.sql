-- Lists cancelled jobs, latest first. Index outcome_cancelled, backwards.
SELECT ended_at, id, run, failures
FROM legwork.outcome
WHERE result = 3
    AND (ended_at, id) < ($1, $2)
ORDER BY ended_at DESC, id DESC
LIMIT $3;
