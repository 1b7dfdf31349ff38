-- Ends the life of a server. Primary key.
UPDATE legwork_server
SET gone_at = ?2
WHERE id = ?1
    AND gone_at IS NULL;
