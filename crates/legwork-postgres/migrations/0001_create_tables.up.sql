-- breaking: no
-- Creates every table in a schema of its own. Durations are microseconds. The state of a job is the
-- place of its marker: waiting, due, ready, lease or outcome.

-- One row. The id tells two databases apart that have the same address; it is made once.
CREATE TABLE legwork.installation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO legwork.installation DEFAULT VALUES;

-- Job ids and places in the order of a queue, handed out in blocks of 1,000: the first of each.
CREATE SEQUENCE legwork.number INCREMENT BY 1000 MINVALUE 1;

CREATE SEQUENCE legwork.lease_number;

CREATE TABLE legwork.queue (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128)
);

CREATE TABLE legwork.kind (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128)
);

-- Written once, never updated. options is null for a plain job, otherwise JSON. first_state is the
-- state in which the job was stored: 0 enqueued, 1 scheduled, 2 awaiting.
CREATE TABLE legwork.job (
    id int8 PRIMARY KEY CHECK (id > 0),
    created_at timestamptz NOT NULL,
    queue int4 NOT NULL,
    kind int4 NOT NULL,
    priority int2 NOT NULL,
    first_state int2 NOT NULL,
    args text NOT NULL,
    options text
);

-- Tickets of claimable jobs: ids first .. first + n - 1. Suspects stand apart, so that a claim that
-- may not have them never walks over them; kinds stand apart, so that a claim never walks over
-- kinds that its server has not registered. entered_at is null where it is the job's created_at.
-- Rows are only ever inserted and deleted, so that a claim may name them by their ctid.
CREATE TABLE legwork.ready (
    seq int8 NOT NULL,
    first int8 NOT NULL CHECK (first > 0),
    queue int4 NOT NULL,
    kind int4 NOT NULL,
    run int4 NOT NULL CHECK (run > 0),
    failures int4 NOT NULL CHECK (failures >= 0),
    losses int4 NOT NULL CHECK (losses >= 0),
    priority int2 NOT NULL,
    n int2 NOT NULL CHECK (n BETWEEN 1 AND 100 AND (n = 1 OR seq = first)),
    suspect boolean NOT NULL CHECK (suspect = (losses >= 2)),
    entered_at timestamptz,
    PRIMARY KEY (queue, suspect, kind, priority, seq)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
    autovacuum_vacuum_cost_delay = 0
);
-- Finds tickets that came in again, which do not stand where their id says.
CREATE INDEX ready_again ON legwork.ready (first) WHERE seq <> first;
CREATE INDEX ready_suspect ON legwork.ready (queue) WHERE suspect;

CREATE TABLE legwork.due (
    run_at timestamptz NOT NULL,
    id int8 NOT NULL,
    run int4 NOT NULL CHECK (run > 0),
    failures int4 NOT NULL CHECK (failures >= 0),
    losses int4 NOT NULL CHECK (losses >= 0),
    PRIMARY KEY (run_at, id)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE UNIQUE INDEX due_job ON legwork.due (id);
CREATE INDEX due_retry ON legwork.due (run_at, id) WHERE failures > 0;

-- A continuation whose parents have not all ended. open counts its open rows in dependency; delay
-- or start_at says what happens when it falls to 0. A row is unsettled while a transaction that
-- cannot see it may still end a parent: 0 when it is stored, then the transaction that must be over
-- first, then null.
CREATE TABLE legwork.waiting (
    id int8 PRIMARY KEY,
    open int4 NOT NULL CHECK (open > 0),
    delay int8,
    start_at timestamptz,
    unsettled xid8 DEFAULT '0'
);
CREATE INDEX waiting_unsettled ON legwork.waiting (id) WHERE unsettled IS NOT NULL;

CREATE TABLE legwork.dependency (
    parent int8 NOT NULL,
    child int8 NOT NULL,
    condition text COLLATE "C" NOT NULL
        CHECK (condition IN ('success', 'failure', 'cancelled', 'any_end')),
    open boolean NOT NULL,
    place int4 NOT NULL,
    PRIMARY KEY (parent, child, condition)
);
CREATE INDEX dependency_child ON legwork.dependency (child);

-- One row per claimed batch: in each array one element per ticket that was claimed. What has an
-- outcome is held no more.
CREATE TABLE legwork.lease (
    id int8 PRIMARY KEY DEFAULT nextval('legwork.lease_number'),
    claimed_at timestamptz NOT NULL,
    server int4 NOT NULL,
    open int4 NOT NULL CHECK (open > 0),
    firsts int8[] NOT NULL,
    ns int2[] NOT NULL,
    runs int4[] NOT NULL,
    failures int4[] NOT NULL,
    losses int4[] NOT NULL,
    queues int4[] NOT NULL,
    kinds int4[] NOT NULL,
    priorities int2[] NOT NULL
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX lease_server ON legwork.lease (server);
-- The arrays stay in the row: reading them from elsewhere costs more than the row.
ALTER TABLE legwork.lease
    ALTER firsts SET STORAGE MAIN, ALTER ns SET STORAGE MAIN, ALTER runs SET STORAGE MAIN,
    ALTER failures SET STORAGE MAIN, ALTER losses SET STORAGE MAIN, ALTER queues SET STORAGE MAIN,
    ALTER kinds SET STORAGE MAIN, ALTER priorities SET STORAGE MAIN;

-- One row per run that ended. result: 1 succeeded, 2 failed, 3 cancelled, 4 retried, 5 snoozed, 6
-- released, 7 interrupted, 8 lost; negative: a final one after which the job was requeued. asked is
-- what the server asked for, where a cancel or a limit made something else of it, otherwise 0.
-- ran_for is null where no handler ended.
CREATE TABLE legwork.outcome (
    id int8 NOT NULL,
    claimed_at timestamptz,
    ended_at timestamptz NOT NULL,
    ran_for int8,
    run int4 NOT NULL CHECK (run > 0),
    server int4,
    failures int4 NOT NULL,
    result int2 NOT NULL CHECK (result BETWEEN -3 AND 8 AND result <> 0),
    asked int2 NOT NULL DEFAULT 0,
    PRIMARY KEY (id, run)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outcome_succeeded ON legwork.outcome (ended_at, id) WHERE result = 1;
CREATE INDEX outcome_failed ON legwork.outcome (ended_at, id) WHERE result = 2;
CREATE INDEX outcome_cancelled ON legwork.outcome (ended_at, id) WHERE result = 3;

-- What a history needs and outcome does not hold, as JSON; exceptional transitions only.
CREATE TABLE legwork.event (
    n int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id int8 NOT NULL,
    at timestamptz NOT NULL,
    run int4,
    what text NOT NULL
);
CREATE INDEX event_job ON legwork.event (id, n);

-- info becomes null a day after the server has gone; the row stays, so that no incarnation is
-- ever used twice and old histories still name it.
CREATE TABLE legwork.server (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL UNIQUE CHECK (length(incarnation) = 32),
    beat int8 NOT NULL,
    beat_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    gone_at timestamptz,
    info text
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX server_live ON legwork.server (id) WHERE gone_at IS NULL;
CREATE INDEX server_gone ON legwork.server (gone_at) WHERE gone_at IS NOT NULL AND info IS NOT NULL;

CREATE TABLE legwork.cancel (
    server int4 NOT NULL,
    id int8 NOT NULL,
    run int4 NOT NULL,
    actor text NOT NULL,
    PRIMARY KEY (server, id)
);

CREATE TABLE legwork.recurring (
    id text COLLATE "C" PRIMARY KEY,
    spec text NOT NULL,
    generation int8 NOT NULL,
    since timestamptz NOT NULL,
    last_at timestamptz,
    next_at timestamptz,
    ended boolean NOT NULL,
    last_job int8,
    revision int8 NOT NULL
);
CREATE INDEX recurring_next ON legwork.recurring (next_at) WHERE NOT ended;

-- The primary key is what makes an occurrence exactly one job.
CREATE TABLE legwork.occurrence (
    recurring text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    job int8 NOT NULL,
    PRIMARY KEY (recurring, at)
);

CREATE TABLE legwork.pause (
    queue int4 PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL
);

CREATE TABLE legwork.result (
    id int8 PRIMARY KEY,
    json text NOT NULL
);

CREATE TABLE legwork.progress (
    id int8 PRIMARY KEY,
    run int4 NOT NULL,
    share float8 NOT NULL,
    message text NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE legwork.tag (
    tag text COLLATE "C" NOT NULL,
    id int8 NOT NULL,
    PRIMARY KEY (tag, id)
);

-- Sums per minute, queue and kind: one row per exchange, which the pruner adds up later. Nobody
-- updates a row that others wait for.
CREATE TABLE legwork.stat (
    minute timestamptz NOT NULL,
    queue int4 NOT NULL,
    kind int4 NOT NULL,
    succeeded int4 NOT NULL,
    failed int4 NOT NULL,
    retried int4 NOT NULL,
    cancelled int4 NOT NULL,
    summed boolean NOT NULL DEFAULT false,
    ran_for int8 NOT NULL
);
CREATE INDEX stat_minute ON legwork.stat (minute);
CREATE INDEX stat_unsummed ON legwork.stat (minute) WHERE NOT summed;

-- Ends a transaction that was built on what turned out not to be so.
CREATE FUNCTION legwork.refuse(why text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', why USING ERRCODE = 'LW001';
END
$$;

-- Refuses a name that Legwork's own code would refuse: one rule for every client.
CREATE FUNCTION legwork.check_name(what text, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION '% is null: a name has 1 to 128 characters', what USING ERRCODE = '22023';
    ELSIF name = '' THEN
        RAISE EXCEPTION '% is empty: a name has 1 to 128 characters', what USING ERRCODE = '22023';
    ELSIF octet_length(name) > 128 THEN
        RAISE EXCEPTION '% has % bytes: at most 128 are allowed', what, octet_length(name)
            USING ERRCODE = '22023';
    ELSIF name COLLATE "C" !~ '^[A-Za-z0-9_.-]+$' THEN
        RAISE EXCEPTION '% "%": only A-Z a-z 0-9 _ . - are allowed', what, name
            USING ERRCODE = '22023';
    END IF;
END
$$;

-- Returns how deep a JSON text nests; most are told from the number of their brackets.
CREATE FUNCTION legwork.depth(args text) RETURNS int8 LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n int8 := length(args) - length(translate(args, '[{', ''));
    brackets text;
BEGIN
    IF n <= 127 THEN
        RETURN n;
    END IF;
    brackets := regexp_replace(args, '"[^"\\]*(?:\\.[^"\\]*)*"', '', 'g');
    -- What is left beside them are numbers, literals, commas, colons and white space.
    brackets := translate(brackets, E'{}0123456789+-.eE,:truefalsn \t\n\r', '[]');
    n := 0;
    -- Each turn takes the innermost pairs away.
    WHILE brackets <> '' LOOP
        brackets := replace(brackets, '[]', '');
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;

-- Enqueues a job in the transaction of the caller and returns its id: for triggers, and for every
-- client that has no other way. What it stores is what the Rust side would store. A parameter that
-- is null counts as not given; run_at in the past means at once; a lower priority runs first.
--
-- It runs with the rights of its owner, so that a role which may call it can store sound jobs and
-- do nothing else: with rights of its own on the tables it could store anything.
--
-- It wakes nobody: workers find the job when they look, soon after the commit. With wake it tells
-- them, unless another transaction is about to: a NOTIFY makes commits wait for each other.
CREATE FUNCTION legwork.enqueue(
    kind text,
    args json DEFAULT '{}',
    queue text DEFAULT 'default',
    priority int4 DEFAULT 0,
    run_at timestamptz DEFAULT NULL,
    after interval DEFAULT NULL,
    max_attempts int4 DEFAULT NULL,
    timeout interval DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    tags text[] DEFAULT NULL,
    wake boolean DEFAULT false
) RETURNS int8 LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    latest CONSTANT timestamptz := '9999-12-30 22:00:00+00';
    home_queue int4;
    home_kind int4;
    due timestamptz := enqueue.run_at;
    settings text[] := '{}';
    micros int8;
    label text;
    schema text;
    fresh int8;
BEGIN
    queue := coalesce(enqueue.queue, 'default');
    priority := coalesce(enqueue.priority, 0);
    PERFORM legwork.check_name('kind', enqueue.kind);
    PERFORM legwork.check_name('queue name', enqueue.queue);
    IF enqueue.args IS NULL THEN
        RAISE EXCEPTION 'the arguments are null: give a JSON value, such as {}'
            USING ERRCODE = '22023';
    ELSIF octet_length(enqueue.args::text) > 16777216 THEN
        RAISE EXCEPTION 'the arguments have % bytes of JSON: at most 16777216 are allowed',
            octet_length(enqueue.args::text) USING ERRCODE = '22023';
    ELSIF legwork.depth(enqueue.args::text) > 127 THEN
        RAISE EXCEPTION 'the arguments nest % deep: at most 127 are allowed',
            legwork.depth(enqueue.args::text) USING ERRCODE = '22023';
    ELSIF enqueue.priority NOT BETWEEN -32768 AND 32767 THEN
        RAISE EXCEPTION 'the priority is %: -32768 to 32767 are allowed', enqueue.priority
            USING ERRCODE = '22023';
    ELSIF enqueue.run_at IS NOT NULL AND enqueue.after IS NOT NULL THEN
        RAISE EXCEPTION 'run_at and after are both given: a job has one due time'
            USING ERRCODE = '22023';
    ELSIF enqueue.run_at NOT BETWEEN 'epoch' AND latest THEN
        RAISE EXCEPTION 'run_at lies outside the years 1970 to 9999' USING ERRCODE = '22023';
    ELSIF enqueue.after < '0' THEN
        RAISE EXCEPTION 'the delay is negative' USING ERRCODE = '22023';
    ELSIF extract(epoch FROM enqueue.after) > 3153600000 THEN
        RAISE EXCEPTION 'the delay is over 36500 days' USING ERRCODE = '22023';
    ELSIF enqueue.max_attempts < 1 THEN
        RAISE EXCEPTION 'max_attempts is %: a job runs at least once', enqueue.max_attempts
            USING ERRCODE = '22023';
    ELSIF enqueue.timeout <= '0' THEN
        RAISE EXCEPTION 'the timeout is not more than zero: no run could end in time'
            USING ERRCODE = '22023';
    ELSIF extract(epoch FROM enqueue.timeout) > 3153600000 THEN
        RAISE EXCEPTION 'the timeout is over 36500 days' USING ERRCODE = '22023';
    ELSIF enqueue.expires_at NOT BETWEEN 'epoch' AND latest THEN
        RAISE EXCEPTION 'expires_at lies outside the years 1970 to 9999' USING ERRCODE = '22023';
    ELSIF cardinality(enqueue.tags) > 16 THEN
        RAISE EXCEPTION '% tags: at most 16 are allowed', cardinality(enqueue.tags)
            USING ERRCODE = '22023';
    END IF;
    FOREACH label IN ARRAY coalesce(enqueue.tags, '{}') LOOP
        PERFORM legwork.check_name('tag', label);
    END LOOP;

    IF enqueue.after IS NOT NULL THEN
        due := now() + enqueue.after;
    END IF;
    IF due <= now() THEN
        due := NULL;
    END IF;

    -- The text that Legwork's own code would write.
    IF enqueue.max_attempts IS NOT NULL THEN
        settings := settings || format('"max_attempts":%s', enqueue.max_attempts);
    END IF;
    IF enqueue.timeout IS NOT NULL THEN
        micros := extract(epoch FROM enqueue.timeout) * 1000000;
        settings := settings || format('"timeout":{"secs":%s,"nanos":%s}',
            micros / 1000000, micros % 1000000 * 1000);
    END IF;
    IF enqueue.expires_at IS NOT NULL THEN
        micros := extract(epoch FROM enqueue.expires_at) * 1000000;
        settings := settings || format('"expires_at":%s', micros);
    END IF;
    IF cardinality(enqueue.tags) > 0 THEN
        settings := settings || format('"tags":["%s"]', array_to_string(enqueue.tags, '","'));
    END IF;

    -- Whoever adds a name keeps others from adding the same one until the transaction ends; when it
    -- is there, nobody waits. The loop goes round again where another has just added it.
    LOOP
        SELECT q.id INTO home_queue FROM legwork.queue AS q WHERE q.name = enqueue.queue;
        EXIT WHEN FOUND;
        INSERT INTO legwork.queue (name) VALUES (enqueue.queue) ON CONFLICT (name) DO NOTHING;
    END LOOP;
    LOOP
        SELECT k.id INTO home_kind FROM legwork.kind AS k WHERE k.name = enqueue.kind;
        EXIT WHEN FOUND;
        INSERT INTO legwork.kind (name) VALUES (enqueue.kind) ON CONFLICT (name) DO NOTHING;
    END LOOP;

    fresh := nextval('legwork.number');
    INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args, options)
    VALUES (fresh, now(), home_queue, home_kind, enqueue.priority,
        CASE WHEN due IS NULL THEN 0 ELSE 1 END, enqueue.args::text,
        '{' || array_to_string(nullif(settings, '{}'), ',') || '}');
    IF due IS NULL THEN
        INSERT INTO legwork.ready
            (seq, first, queue, kind, run, failures, losses, priority, n, suspect)
        VALUES (fresh, fresh, home_queue, home_kind, 1, 0, 0, enqueue.priority, 1, false);
    ELSE
        INSERT INTO legwork.due (run_at, id, run, failures, losses)
        VALUES (due, fresh, 1, 0, 0);
    END IF;
    INSERT INTO legwork.tag (tag, id)
    SELECT DISTINCT t.tag, fresh
    FROM unnest(enqueue.tags) AS t (tag);

    IF wake THEN
        SELECT n.nspname INTO schema
        FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = 'legwork.job'::regclass;
        IF pg_try_advisory_xact_lock(hashtextextended('legwork wake ' || schema, 0)) THEN
            -- PostgreSQL takes 63 bytes for the name of a channel.
            PERFORM pg_notify(left('legwork:' || schema, 63), '');
        END IF;
    END IF;
    RETURN fresh;
END
$$;
-- PostgreSQL lets everyone call a function unless it is told not to.
REVOKE ALL ON FUNCTION legwork.enqueue FROM PUBLIC;
