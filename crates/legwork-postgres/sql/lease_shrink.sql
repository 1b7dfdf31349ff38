-- Counts runs off a lease that others stay in. Primary key.
UPDATE legwork.lease
SET open = $2
WHERE id = $1;
