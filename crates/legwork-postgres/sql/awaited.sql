-- Tells whether a job is a parent of one that is still awaiting. Primary keys.
SELECT 1
FROM legwork.dependency AS d
    JOIN legwork.waiting AS w ON w.id = d.child
WHERE d.parent = $1
LIMIT 1;
