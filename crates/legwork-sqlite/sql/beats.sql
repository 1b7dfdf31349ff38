-- Lists the live servers. Index legwork_server_live.
SELECT incarnation, beat, boot
FROM legwork_server
WHERE gone_at IS NULL
ORDER BY id;
