-- Tells whether a job is a parent of one that is still awaiting. Primary keys.
SELECT 1
FROM legwork_dependency AS d
    JOIN legwork_waiting AS w ON w.id = d.child
WHERE d.parent = ?1
LIMIT 1;
