-- Tells which jobs there are, and keeps them there until the commit. Primary key.
SELECT id
FROM legwork.job
WHERE id = ANY ($1)
ORDER BY id
FOR KEY SHARE;
