-- Strikes removed jobs from a lease. Primary key.
UPDATE legwork_lease
SET jobs = ?2
WHERE id = ?1;
