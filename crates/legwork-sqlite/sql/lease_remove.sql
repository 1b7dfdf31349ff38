-- Ends a lease. Primary key.
DELETE FROM legwork_lease
WHERE id = ?1;
