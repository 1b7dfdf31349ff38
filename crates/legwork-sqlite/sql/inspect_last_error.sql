-- Reads the latest events of a job that may carry its error. Index legwork_event_job.
SELECT what
FROM legwork_event
WHERE id = ?1
ORDER BY n DESC
LIMIT 50;
