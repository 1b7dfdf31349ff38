-- Lists succeeded jobs, latest first. Index legwork_outcome_succeeded.
SELECT ended_at, id, run, failures
FROM legwork_outcome
WHERE result = 1
    AND (ended_at, id) < (?1, ?2)
ORDER BY ended_at DESC, id DESC
LIMIT ?3;
