-- Counts claimable jobs in up to so many tickets.
SELECT coalesce(sum(n), 0)
FROM (SELECT n FROM legwork_ready LIMIT ?1);
