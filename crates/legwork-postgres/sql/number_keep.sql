-- Makes the commit of this transaction wait for the disk although it writes no row: numbers that
-- were handed out must not come back from a crash, whoever wrote the record of the sequence.
SELECT pg_current_xact_id();
