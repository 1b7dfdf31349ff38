-- Reads the first number of the latest block; 0 before the first.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END
FROM legwork.number;
