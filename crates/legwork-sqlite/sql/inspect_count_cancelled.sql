-- Counts cancelled jobs up to a bound. Index legwork_outcome_cancelled.
SELECT count(*)
FROM (SELECT 1 FROM legwork_outcome WHERE result = 3 LIMIT ?1);
