-- Ends the life of a server. Primary key.
UPDATE legwork.server
SET gone_at = coalesce($2, now())
WHERE id = $1
    AND gone_at IS NULL;
