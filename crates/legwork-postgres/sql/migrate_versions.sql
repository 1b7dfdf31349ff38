-- Lists the applied migrations. Primary key.
SELECT version, breaking
FROM legwork.migration
ORDER BY version;
