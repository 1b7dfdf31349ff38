-- Tells whether any job waits for another.
SELECT 1
FROM legwork_waiting
LIMIT 1;
