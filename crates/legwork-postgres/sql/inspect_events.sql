-- Lists the latest events of a job. Index event_job.
SELECT run, at, what
FROM legwork.event
WHERE id = $1
ORDER BY n DESC
LIMIT 1000;
