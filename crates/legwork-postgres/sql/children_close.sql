-- Marks what parents have decided. Primary key.
UPDATE legwork.dependency
SET open = false
WHERE parent = ANY ($1)
    AND open;
