-- Copies what the log holds into the database, without waiting for anyone.
PRAGMA wal_checkpoint(PASSIVE);
