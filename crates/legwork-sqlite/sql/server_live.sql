-- Finds a live server. Unique index on incarnation.
SELECT id
FROM legwork_server
WHERE incarnation = ?1
    AND gone_at IS NULL;
