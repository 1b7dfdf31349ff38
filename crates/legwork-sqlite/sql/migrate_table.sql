-- Creates the table of versions; the first thing that touches a new file.
CREATE TABLE IF NOT EXISTS legwork_migration (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    breaking INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;
