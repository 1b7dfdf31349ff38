-- Lists the children of a job. Primary key.
SELECT child, condition
FROM legwork.dependency
WHERE parent = $1
ORDER BY child, condition
LIMIT 1000;
