-- Moves a recurring job on. Primary key.
UPDATE legwork.recurring
SET last_at = $2,
    next_at = $3,
    ended = $3 IS NULL,
    last_job = coalesce($4, last_job),
    revision = revision + 1
WHERE id = $1;
