-- Marks that a job waits for nothing any more. Index legwork_dependency_child.
UPDATE legwork_dependency
SET open = 0
WHERE child = ?1
    AND open = 1;
