-- breaking: no
-- The application's own tables, in the database of the jobs, so that one transaction covers both.
-- The same columns as in SQLite, so that a row is read by the same code. Instants are text in UTC
-- there, such as 2026-03-01T03:00:00.000Z, which sorts as text, and so they are here.

CREATE FUNCTION utc_text(at timestamptz) RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

CREATE TABLE reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    mail_to     text NOT NULL,
    chart       text,                     -- the column to draw; the first numeric one when NULL
    upload      text NOT NULL,            -- file name in the uploads directory
    job_id      bigint,                   -- the job that builds it
    created_at  text NOT NULL DEFAULT utc_text(now()),
    n_rows      bigint,
    n_bad_rows  bigint,
    finished_at text,
    failure     text                      -- why it will never be finished
);

CREATE INDEX reports_created_at ON reports (created_at);

CREATE TABLE users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,
    created_at text NOT NULL DEFAULT utc_text(now())
);

CREATE TABLE products (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    created_at  text NOT NULL DEFAULT utc_text(now())
);

CREATE TABLE orders (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer     text NOT NULL,
    total_cents  bigint NOT NULL CHECK (total_cents >= 0),
    placed_at    text NOT NULL DEFAULT utc_text(now()),
    published_at text                     -- when the event bus confirmed the event
);

CREATE INDEX orders_unpublished ON orders (placed_at) WHERE published_at IS NULL;
