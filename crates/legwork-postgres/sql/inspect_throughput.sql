-- Sums the minutes of a span. Index stat_minute.
SELECT minute, sum(succeeded), sum(failed), sum(retried)
FROM legwork.stat
WHERE minute >= $1
    AND minute < $2
GROUP BY minute
ORDER BY minute;
