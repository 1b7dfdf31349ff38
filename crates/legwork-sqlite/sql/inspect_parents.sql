-- Lists the parents of a job. Index legwork_dependency_child.
SELECT parent, condition
FROM legwork_dependency
WHERE child = ?1
ORDER BY place
LIMIT ?2;
