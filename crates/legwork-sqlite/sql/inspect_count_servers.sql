-- Counts live servers. Index legwork_server_live.
SELECT count(*)
FROM legwork_server
WHERE gone_at IS NULL;
