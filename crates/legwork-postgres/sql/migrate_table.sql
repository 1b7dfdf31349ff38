-- Creates the table of versions; the first thing in a new schema.
CREATE TABLE IF NOT EXISTS legwork.migration (
    version int4 PRIMARY KEY,
    name text NOT NULL,
    breaking boolean NOT NULL,
    applied_at timestamptz NOT NULL
);
