-- Sums the minutes of a span. Primary key.
SELECT minute, sum(succeeded), sum(failed), sum(retried)
FROM legwork_stat
WHERE minute >= ?1
    AND minute <= ?2
GROUP BY minute
ORDER BY minute;
