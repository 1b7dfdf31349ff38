-- Counts succeeded jobs up to a bound. Index legwork_outcome_succeeded.
SELECT count(*)
FROM (SELECT 1 FROM legwork_outcome WHERE result = 1 LIMIT ?1);
