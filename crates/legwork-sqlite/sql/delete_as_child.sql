-- Unties a job from parents that are gone. Index legwork_dependency_child.
DELETE FROM legwork_dependency
WHERE child = ?1
    AND NOT EXISTS (SELECT 1 FROM legwork_job AS j WHERE j.id = parent);
