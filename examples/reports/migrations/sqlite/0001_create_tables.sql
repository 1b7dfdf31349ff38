-- breaking: no
-- The application's own tables, in the file of the jobs, so that one transaction covers both.
-- Instants are text in UTC, such as 2026-03-01T03:00:00.000Z: readable, and they sort as text.

CREATE TABLE reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    mail_to     TEXT NOT NULL,
    chart       TEXT,                     -- the column to draw; the first numeric one when NULL
    upload      TEXT NOT NULL,            -- file name in the uploads directory
    job_id      INTEGER,                  -- the job that builds it
    created_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    n_rows      INTEGER,
    n_bad_rows  INTEGER,
    finished_at TEXT,
    failure     TEXT                      -- why it will never be finished
) STRICT;

CREATE INDEX reports_created_at ON reports (created_at);

CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    created_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer     TEXT NOT NULL,
    total_cents  INTEGER NOT NULL CHECK (total_cents >= 0),
    placed_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    published_at TEXT                     -- when the event bus confirmed the event
) STRICT;

CREATE INDEX orders_unpublished ON orders (placed_at) WHERE published_at IS NULL;
