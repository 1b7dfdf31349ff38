-- Lists the parents that have ended and have not decided some continuations. Index
-- dependency_child, primary key of outcome.
SELECT DISTINCT o.id, o.result
FROM legwork.dependency AS d
    JOIN legwork.outcome AS o ON o.id = d.parent AND o.result BETWEEN 1 AND 3
WHERE d.child = ANY ($1)
    AND d.open;
