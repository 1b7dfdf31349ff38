-- Reads when the next of the others is due. Index legwork_recurring_next.
SELECT next_at
FROM legwork_recurring
WHERE ended = 0
    AND next_at > ?1
ORDER BY next_at
LIMIT 1;
