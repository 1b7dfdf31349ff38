-- Reads the cancel requests for runs of a server. Primary key.
SELECT id, run, actor
FROM legwork.cancel
WHERE server = $1
    AND id = ANY ($2);
