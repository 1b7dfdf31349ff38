-- Finds a scheduled job. Index legwork_due_job.
SELECT run_at, run, failures, losses
FROM legwork_due
WHERE id = ?1;
