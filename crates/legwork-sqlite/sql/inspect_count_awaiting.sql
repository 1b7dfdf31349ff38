-- Counts awaiting jobs up to a bound.
SELECT count(*)
FROM (SELECT 1 FROM legwork_waiting LIMIT ?1);
