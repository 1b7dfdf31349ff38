-- Unties jobs from parents that are gone. Index dependency_child.
DELETE FROM legwork.dependency AS d
WHERE d.child = ANY ($1)
    AND NOT EXISTS (SELECT 1 FROM legwork.job AS j WHERE j.id = d.parent);
