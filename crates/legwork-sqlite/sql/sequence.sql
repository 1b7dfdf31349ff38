-- Reads the next number. One row.
SELECT next
FROM legwork_sequence
WHERE one = 1;
