-- Begins a write transaction; takes the one write lock of the database.
BEGIN IMMEDIATE;
