-- Takes a job out of the schedule, unless it moved since it was read. Index due_job.
DELETE FROM legwork.due
WHERE id = $1
    AND run = $2;
