-- Lists which jobs are still what they were before they were locked; what has no job needs no lock.
-- Primary keys.
SELECT u.id
FROM unnest($1, $2, $3) AS u (id, run, locked)
WHERE EXISTS (
        SELECT 1
        FROM legwork.outcome AS o
        WHERE o.id = u.id
            AND o.run = u.run
            AND o.result BETWEEN 1 AND 3)
    AND (u.locked OR (SELECT count(*) FROM legwork.job AS j WHERE j.id = u.id) = 0)
    AND NOT EXISTS (
        SELECT 1
        FROM legwork.dependency AS d
            JOIN legwork.waiting AS w ON w.id = d.child
        WHERE d.parent = u.id);
