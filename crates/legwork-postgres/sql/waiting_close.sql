-- Marks that jobs wait for nothing any more. Index dependency_child.
UPDATE legwork.dependency
SET open = false
WHERE child = ANY ($1)
    AND open;
