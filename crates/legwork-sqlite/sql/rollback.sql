-- Undoes a write transaction.
ROLLBACK;
