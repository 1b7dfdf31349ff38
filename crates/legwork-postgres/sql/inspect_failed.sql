-- Lists failed jobs, latest first. Index outcome_failed, backwards.
SELECT ended_at, id, run, failures
FROM legwork.outcome
WHERE result = 2
    AND (ended_at, id) < ($1, $2)
ORDER BY ended_at DESC, id DESC
LIMIT $3;
