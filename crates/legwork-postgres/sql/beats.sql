-- Lists the live servers. Index server_live.
SELECT incarnation, beat
FROM legwork.server
WHERE gone_at IS NULL
ORDER BY id;
