-- Ends a lease. Primary key.
DELETE FROM legwork.lease
WHERE id = $1;
