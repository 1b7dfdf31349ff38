-- Lists failed jobs past their time, oldest first. Index legwork_outcome_failed.
SELECT id
FROM legwork_outcome AS o
WHERE result = 2
    AND ended_at < ?1
    AND NOT EXISTS (
        SELECT 1
        FROM legwork_dependency AS d
            JOIN legwork_waiting AS w ON w.id = d.child
        WHERE d.parent = o.id)
ORDER BY ended_at, id
LIMIT ?2;
