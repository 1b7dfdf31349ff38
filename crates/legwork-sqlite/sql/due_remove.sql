-- Takes a job out of the schedule. Primary key.
DELETE FROM legwork_due
WHERE run_at = ?1
    AND id = ?2;
