-- Lists what is due or not yet known, the latter first. A small table.
SELECT spec, since, last_at, next_at, last_job, revision
FROM legwork.recurring
WHERE NOT ended
    AND (next_at IS NULL OR next_at <= $1)
ORDER BY next_at NULLS FIRST
LIMIT $2;
