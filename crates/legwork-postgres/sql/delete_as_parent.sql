-- Unties jobs from children that are gone. Primary key.
DELETE FROM legwork.dependency AS d
WHERE d.parent = ANY ($1)
    AND NOT EXISTS (SELECT 1 FROM legwork.job AS j WHERE j.id = d.child);
