-- Unties a job from children that are gone. Primary key.
DELETE FROM legwork_dependency
WHERE parent = ?1
    AND NOT EXISTS (SELECT 1 FROM legwork_job AS j WHERE j.id = child);
