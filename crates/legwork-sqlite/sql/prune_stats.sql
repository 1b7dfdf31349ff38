-- Removes old sums. Primary key.
DELETE FROM legwork_stat
WHERE minute < ?1;
