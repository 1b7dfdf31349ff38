-- Tells whether there is a table of versions.
SELECT 1
FROM sqlite_schema
WHERE type = 'table'
    AND name = 'legwork_migration';
