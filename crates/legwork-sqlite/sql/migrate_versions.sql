-- Lists the applied migrations. Walks the primary key.
SELECT version, name, breaking
FROM legwork_migration
ORDER BY version;
