-- Counts scheduled jobs up to a bound.
SELECT count(*)
FROM (SELECT 1 FROM legwork_due LIMIT ?1);
