-- Reads the cancel request for a run. Primary key.
SELECT actor
FROM legwork_cancel
WHERE server = ?1
    AND id = ?2
    AND run = ?3;
