-- Lists the cancel requests for a server. Primary key.
SELECT id, run, actor
FROM legwork_cancel
WHERE server = ?1
ORDER BY id;
