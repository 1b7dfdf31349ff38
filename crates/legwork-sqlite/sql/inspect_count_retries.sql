-- Counts scheduled jobs that have failed before, up to a bound. Index legwork_due_retry.
SELECT count(*)
FROM (SELECT 1 FROM legwork_due WHERE failures > 0 LIMIT ?1);
