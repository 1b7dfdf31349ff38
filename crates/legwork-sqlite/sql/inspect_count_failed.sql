-- Counts failed jobs up to a bound. Index legwork_outcome_failed.
SELECT count(*)
FROM (SELECT 1 FROM legwork_outcome WHERE result = 2 LIMIT ?1);
