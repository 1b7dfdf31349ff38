-- Reads the server's number of this connection.
SELECT pg_backend_pid();
