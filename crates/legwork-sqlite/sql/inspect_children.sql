-- Lists the children of a job. Primary key.
SELECT child, condition
FROM legwork_dependency
WHERE parent = ?1
ORDER BY child
LIMIT ?2;
