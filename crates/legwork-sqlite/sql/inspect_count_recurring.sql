-- Counts recurring jobs up to a bound.
SELECT count(*)
FROM (SELECT 1 FROM legwork_recurring LIMIT ?1);
