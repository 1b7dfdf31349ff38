-- Marks what a parent has decided. Primary key.
UPDATE legwork_dependency
SET open = 0
WHERE parent = ?1
    AND open = 1;
