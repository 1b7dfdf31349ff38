-- Everything in the schema, one object after the other.

cancel
    server integer NOT NULL
    id bigint NOT NULL
    run integer NOT NULL
    actor text NOT NULL
    cancel_pkey PRIMARY KEY (server, id)
    CREATE UNIQUE INDEX cancel_pkey ON legwork.cancel USING btree (server, id)

check_name
    CREATE OR REPLACE FUNCTION legwork.check_name(what text, name text)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$
EXECUTE for all

dependency
    parent bigint NOT NULL
    child bigint NOT NULL
    condition text COLLATE "C" NOT NULL
    open boolean NOT NULL
    place integer NOT NULL
    dependency_condition_check CHECK ((condition = ANY (ARRAY['success'::text, 'failure'::text, 'cancelled'::text, 'any_end'::text])))
    dependency_pkey PRIMARY KEY (parent, child, condition)
    CREATE INDEX dependency_child ON legwork.dependency USING btree (child)
    CREATE UNIQUE INDEX dependency_pkey ON legwork.dependency USING btree (parent, child, condition)

depth
    CREATE OR REPLACE FUNCTION legwork.depth(args text)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$
EXECUTE for all

due
    run_at timestamp with time zone NOT NULL
    id bigint NOT NULL
    run integer NOT NULL
    failures integer NOT NULL
    losses integer NOT NULL
    due_failures_check CHECK ((failures >= 0))
    due_losses_check CHECK ((losses >= 0))
    due_pkey PRIMARY KEY (run_at, id)
    due_run_check CHECK ((run > 0))
    autovacuum_vacuum_cost_delay=0
    autovacuum_vacuum_scale_factor=0
    autovacuum_vacuum_threshold=20000
    CREATE INDEX due_retry ON legwork.due USING btree (run_at, id) WHERE (failures > 0)
    CREATE UNIQUE INDEX due_job ON legwork.due USING btree (id)
    CREATE UNIQUE INDEX due_pkey ON legwork.due USING btree (run_at, id)

enqueue
    CREATE OR REPLACE FUNCTION legwork.enqueue(kind text, args json DEFAULT '{}'::json, queue text DEFAULT 'default'::text, priority integer DEFAULT 0, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, after interval DEFAULT NULL::interval, max_attempts integer DEFAULT NULL::integer, timeout interval DEFAULT NULL::interval, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, tags text[] DEFAULT NULL::text[], wake boolean DEFAULT false)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$
EXECUTE for the owner

event
    n bigint NOT NULL IDENTITY a
    id bigint NOT NULL
    at timestamp with time zone NOT NULL
    run integer
    what text NOT NULL
    event_pkey PRIMARY KEY (n)
    CREATE INDEX event_job ON legwork.event USING btree (id, n)
    CREATE UNIQUE INDEX event_pkey ON legwork.event USING btree (n)

event_n_seq
    SEQUENCE bigint INCREMENT 1 FROM 1 TO 9223372036854775807 START 1 CACHE 1

installation
    one boolean NOT NULL DEFAULT true
    id uuid NOT NULL DEFAULT gen_random_uuid()
    installation_one_check CHECK (one)
    installation_pkey PRIMARY KEY (one)
    CREATE UNIQUE INDEX installation_pkey ON legwork.installation USING btree (one)

job
    id bigint NOT NULL
    created_at timestamp with time zone NOT NULL
    queue integer NOT NULL
    kind integer NOT NULL
    priority smallint NOT NULL
    first_state smallint NOT NULL
    args text NOT NULL
    options text
    job_id_check CHECK ((id > 0))
    job_pkey PRIMARY KEY (id)
    CREATE UNIQUE INDEX job_pkey ON legwork.job USING btree (id)

kind
    id integer NOT NULL IDENTITY a
    name text COLLATE "C" NOT NULL
    kind_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128)))
    kind_name_key UNIQUE (name)
    kind_pkey PRIMARY KEY (id)
    CREATE UNIQUE INDEX kind_name_key ON legwork.kind USING btree (name)
    CREATE UNIQUE INDEX kind_pkey ON legwork.kind USING btree (id)

kind_id_seq
    SEQUENCE integer INCREMENT 1 FROM 1 TO 2147483647 START 1 CACHE 1

lease
    id bigint NOT NULL DEFAULT nextval('legwork.lease_number'::regclass)
    claimed_at timestamp with time zone NOT NULL
    server integer NOT NULL
    open integer NOT NULL
    firsts bigint[] STORAGE m NOT NULL
    ns smallint[] STORAGE m NOT NULL
    runs integer[] STORAGE m NOT NULL
    failures integer[] STORAGE m NOT NULL
    losses integer[] STORAGE m NOT NULL
    queues integer[] STORAGE m NOT NULL
    kinds integer[] STORAGE m NOT NULL
    priorities smallint[] STORAGE m NOT NULL
    lease_open_check CHECK ((open > 0))
    lease_pkey PRIMARY KEY (id)
    autovacuum_vacuum_cost_delay=0
    autovacuum_vacuum_scale_factor=0
    autovacuum_vacuum_threshold=2000
    fillfactor=70
    CREATE INDEX lease_server ON legwork.lease USING btree (server)
    CREATE UNIQUE INDEX lease_pkey ON legwork.lease USING btree (id)

lease_number
    SEQUENCE bigint INCREMENT 1 FROM 1 TO 9223372036854775807 START 1 CACHE 1

migration
    version integer NOT NULL
    name text NOT NULL
    breaking boolean NOT NULL
    applied_at timestamp with time zone NOT NULL
    migration_pkey PRIMARY KEY (version)
    CREATE UNIQUE INDEX migration_pkey ON legwork.migration USING btree (version)

number
    SEQUENCE bigint INCREMENT 1000 FROM 1 TO 9223372036854775807 START 1 CACHE 1

occurrence
    recurring text COLLATE "C" NOT NULL
    at timestamp with time zone NOT NULL
    job bigint NOT NULL
    occurrence_pkey PRIMARY KEY (recurring, at)
    CREATE UNIQUE INDEX occurrence_pkey ON legwork.occurrence USING btree (recurring, at)

outcome
    id bigint NOT NULL
    claimed_at timestamp with time zone
    ended_at timestamp with time zone NOT NULL
    ran_for bigint
    run integer NOT NULL
    server integer
    failures integer NOT NULL
    result smallint NOT NULL
    asked smallint NOT NULL DEFAULT 0
    outcome_pkey PRIMARY KEY (id, run)
    outcome_result_check CHECK ((((result >= '-3'::integer) AND (result <= 8)) AND (result <> 0)))
    outcome_run_check CHECK ((run > 0))
    autovacuum_vacuum_cost_delay=0
    autovacuum_vacuum_scale_factor=0.02
    CREATE INDEX outcome_cancelled ON legwork.outcome USING btree (ended_at, id) WHERE (result = 3)
    CREATE INDEX outcome_failed ON legwork.outcome USING btree (ended_at, id) WHERE (result = 2)
    CREATE INDEX outcome_succeeded ON legwork.outcome USING btree (ended_at, id) WHERE (result = 1)
    CREATE UNIQUE INDEX outcome_pkey ON legwork.outcome USING btree (id, run)

pause
    queue integer NOT NULL
    at timestamp with time zone NOT NULL
    actor text NOT NULL
    pause_pkey PRIMARY KEY (queue)
    CREATE UNIQUE INDEX pause_pkey ON legwork.pause USING btree (queue)

progress
    id bigint NOT NULL
    run integer NOT NULL
    share double precision NOT NULL
    message text NOT NULL
    progress_pkey PRIMARY KEY (id)
    fillfactor=70
    CREATE UNIQUE INDEX progress_pkey ON legwork.progress USING btree (id)

queue
    id integer NOT NULL IDENTITY a
    name text COLLATE "C" NOT NULL
    queue_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128)))
    queue_name_key UNIQUE (name)
    queue_pkey PRIMARY KEY (id)
    CREATE UNIQUE INDEX queue_name_key ON legwork.queue USING btree (name)
    CREATE UNIQUE INDEX queue_pkey ON legwork.queue USING btree (id)

queue_id_seq
    SEQUENCE integer INCREMENT 1 FROM 1 TO 2147483647 START 1 CACHE 1

ready
    seq bigint NOT NULL
    first bigint NOT NULL
    queue integer NOT NULL
    kind integer NOT NULL
    run integer NOT NULL
    failures integer NOT NULL
    losses integer NOT NULL
    priority smallint NOT NULL
    n smallint NOT NULL
    suspect boolean NOT NULL
    entered_at timestamp with time zone
    ready_check CHECK ((((n >= 1) AND (n <= 100)) AND ((n = 1) OR (seq = first))))
    ready_check1 CHECK ((suspect = (losses >= 2)))
    ready_failures_check CHECK ((failures >= 0))
    ready_first_check CHECK ((first > 0))
    ready_losses_check CHECK ((losses >= 0))
    ready_pkey PRIMARY KEY (queue, suspect, kind, priority, seq)
    ready_run_check CHECK ((run > 0))
    autovacuum_vacuum_cost_delay=0
    autovacuum_vacuum_insert_scale_factor=0
    autovacuum_vacuum_insert_threshold=200000
    autovacuum_vacuum_scale_factor=0
    autovacuum_vacuum_threshold=20000
    CREATE INDEX ready_again ON legwork.ready USING btree (first) WHERE (seq <> first)
    CREATE INDEX ready_suspect ON legwork.ready USING btree (queue) WHERE suspect
    CREATE UNIQUE INDEX ready_pkey ON legwork.ready USING btree (queue, suspect, kind, priority, seq)

recurring
    id text COLLATE "C" NOT NULL
    spec text NOT NULL
    generation bigint NOT NULL
    since timestamp with time zone NOT NULL
    last_at timestamp with time zone
    next_at timestamp with time zone
    ended boolean NOT NULL
    last_job bigint
    revision bigint NOT NULL
    recurring_pkey PRIMARY KEY (id)
    CREATE INDEX recurring_next ON legwork.recurring USING btree (next_at) WHERE (NOT ended)
    CREATE UNIQUE INDEX recurring_pkey ON legwork.recurring USING btree (id)

refuse
    CREATE OR REPLACE FUNCTION legwork.refuse(why text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '%', why USING ERRCODE = 'LW001';
END
$function$
EXECUTE for all

result
    id bigint NOT NULL
    json text NOT NULL
    result_pkey PRIMARY KEY (id)
    CREATE UNIQUE INDEX result_pkey ON legwork.result USING btree (id)

server
    id integer NOT NULL IDENTITY a
    incarnation text COLLATE "C" NOT NULL
    beat bigint NOT NULL
    beat_at timestamp with time zone NOT NULL
    started_at timestamp with time zone NOT NULL
    gone_at timestamp with time zone
    info text
    server_incarnation_check CHECK ((length(incarnation) = 32))
    server_incarnation_key UNIQUE (incarnation)
    server_pkey PRIMARY KEY (id)
    autovacuum_vacuum_scale_factor=0
    autovacuum_vacuum_threshold=1000
    fillfactor=50
    CREATE INDEX server_gone ON legwork.server USING btree (gone_at) WHERE ((gone_at IS NOT NULL) AND (info IS NOT NULL))
    CREATE INDEX server_live ON legwork.server USING btree (id) WHERE (gone_at IS NULL)
    CREATE UNIQUE INDEX server_incarnation_key ON legwork.server USING btree (incarnation)
    CREATE UNIQUE INDEX server_pkey ON legwork.server USING btree (id)

server_id_seq
    SEQUENCE integer INCREMENT 1 FROM 1 TO 2147483647 START 1 CACHE 1

stat
    minute timestamp with time zone NOT NULL
    queue integer NOT NULL
    kind integer NOT NULL
    succeeded integer NOT NULL
    failed integer NOT NULL
    retried integer NOT NULL
    cancelled integer NOT NULL
    summed boolean NOT NULL DEFAULT false
    ran_for bigint NOT NULL
    CREATE INDEX stat_minute ON legwork.stat USING btree (minute)
    CREATE INDEX stat_unsummed ON legwork.stat USING btree (minute) WHERE (NOT summed)

tag
    tag text COLLATE "C" NOT NULL
    id bigint NOT NULL
    tag_pkey PRIMARY KEY (tag, id)
    CREATE UNIQUE INDEX tag_pkey ON legwork.tag USING btree (tag, id)

waiting
    id bigint NOT NULL
    open integer NOT NULL
    delay bigint
    start_at timestamp with time zone
    unsettled xid8 DEFAULT '0'::xid8
    waiting_open_check CHECK ((open > 0))
    waiting_pkey PRIMARY KEY (id)
    CREATE INDEX waiting_unsettled ON legwork.waiting USING btree (id) WHERE (unsettled IS NOT NULL)
    CREATE UNIQUE INDEX waiting_pkey ON legwork.waiting USING btree (id)
