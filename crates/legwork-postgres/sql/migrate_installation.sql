-- Reads the id of this installation. One row.
SELECT id::text
FROM legwork.installation;
