-- Lists the continuations that a parent has not decided yet. Primary key.
SELECT child, condition
FROM legwork_dependency
WHERE parent = ?1
    AND open = 1;
