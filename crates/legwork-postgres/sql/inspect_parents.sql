-- Lists the parents of a job. Index dependency_child; a job has few parents, which are sorted.
SELECT parent, condition
FROM legwork.dependency
WHERE child = $1
ORDER BY place
LIMIT 1000;
