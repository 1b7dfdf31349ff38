-- Reads the progress of a run. Primary key.
SELECT share, message
FROM legwork_progress
WHERE id = ?1
    AND run = ?2;
