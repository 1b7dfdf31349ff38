-- Removes the histories of jobs. Index event_job.
DELETE FROM legwork.event
WHERE id = ANY ($1);
