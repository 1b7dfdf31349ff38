-- Forgets what servers told that have been gone for long. Index legwork_server_gone.
UPDATE legwork_server
SET info = NULL,
    boot = NULL
WHERE gone_at IS NOT NULL
    AND info IS NOT NULL
    AND gone_at < ?1;
