-- Forgets what servers told that have been gone for long. Index server_gone.
UPDATE legwork.server
SET info = NULL
WHERE gone_at IS NOT NULL
    AND info IS NOT NULL
    AND gone_at < $1;
