-- Remembers the job of a trigger. Primary key.
UPDATE legwork.recurring
SET last_job = $2
WHERE id = $1;
