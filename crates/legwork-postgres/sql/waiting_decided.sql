-- Lists the parents that have ended and have not decided some continuations. Index
-- dependency_child, primary key of outcome: an array keeps them in this order, whatever the tables
-- looked like when the plan was made.
SELECT o.id, o.result
FROM legwork.outcome AS o
WHERE o.id = ANY (ARRAY(
        SELECT d.parent
        FROM legwork.dependency AS d
        WHERE d.child = ANY ($1)
            AND d.open))
    AND o.result BETWEEN 1 AND 3;
