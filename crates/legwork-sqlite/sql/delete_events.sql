-- Removes the history of a job. Index legwork_event_job.
DELETE FROM legwork_event
WHERE id = ?1;
