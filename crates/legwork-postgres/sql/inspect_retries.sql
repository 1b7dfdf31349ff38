-- Lists scheduled jobs that have failed before, by due time. Index due_retry.
SELECT run_at, id, run, failures
FROM legwork.due
WHERE failures > 0
    AND (run_at, id) > ($1, $2)
ORDER BY run_at, id
LIMIT $3;
