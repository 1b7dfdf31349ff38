-- Reads the time of the transaction.
SELECT now();
