-- Lists the latest events of a job. Index legwork_event_job.
SELECT run, at, what
FROM legwork_event
WHERE id = ?1
ORDER BY n DESC
LIMIT ?2;
