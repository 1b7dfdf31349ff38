-- Counts the claimable jobs of a queue in up to so many tickets. Primary key.
SELECT coalesce(sum(n), 0)
FROM (SELECT n FROM legwork_ready WHERE queue = ?1 LIMIT ?2);
