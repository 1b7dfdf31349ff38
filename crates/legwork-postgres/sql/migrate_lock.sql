-- Waits until no other process migrates the schema, and keeps others out until the commit.
SELECT pg_advisory_xact_lock(hashtextextended('legwork migrate ' || $1, 0))::text;
