-- Lists what is due or not yet known, the latter first. Index legwork_recurring_next.
SELECT spec, since, last_at, next_at, last_job, revision
FROM legwork_recurring
WHERE ended = 0
    AND (next_at IS NULL OR next_at <= ?1)
ORDER BY next_at
LIMIT ?2;
