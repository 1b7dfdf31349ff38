-- Lists cancelled jobs past their time, oldest first, with their last runs. Index
-- outcome_cancelled.
SELECT o.id, o.run
FROM legwork.outcome AS o
WHERE o.result = 3
    AND o.ended_at < $1
    AND NOT EXISTS (
        SELECT 1
        FROM legwork.dependency AS d
            JOIN legwork.waiting AS w ON w.id = d.child
        WHERE d.parent = o.id)
ORDER BY o.ended_at, o.id
LIMIT $2;
