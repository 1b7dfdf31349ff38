-- Lists scheduled jobs by due time. Primary key.
SELECT run_at, id, run, failures
FROM legwork.due
WHERE (run_at, id) > ($1, $2)
ORDER BY run_at, id
LIMIT $3;
