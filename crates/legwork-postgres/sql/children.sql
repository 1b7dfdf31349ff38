-- Lists the continuations that some parents have not decided yet. Primary key.
SELECT parent, child, condition
FROM legwork.dependency
WHERE parent = ANY ($1)
    AND open;
