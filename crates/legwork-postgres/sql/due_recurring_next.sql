-- Reads when the next of the others is due. Index recurring_next.
SELECT next_at
FROM legwork.recurring
WHERE NOT ended
    AND next_at > $1
ORDER BY next_at
LIMIT 1;
