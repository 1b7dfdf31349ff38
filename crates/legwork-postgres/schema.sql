-- Everything in the schema, one object after the other.

adopt
    CREATE OR REPLACE FUNCTION legwork.adopt(at timestamp with time zone, jobs bigint[], queues
            integer[], kinds integer[], priorities smallint[], delays bigint[], starts timestamp
            with time zone[], due timestamp with time zone[], tie_jobs integer[], tie_parents
            bigint[], tie_conditions text[], tie_places integer[])
     RETURNS void
     LANGUAGE plpgsql
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    #variable_conflict use_column
    DECLARE
        ended int8[];
        results int2[];
        refused int8[];
        waits int8[];
    BEGIN
        SELECT array_agg(o.id), array_agg(o.result) INTO ended, results
        FROM legwork.outcome AS o
        WHERE o.id = ANY (adopt.tie_parents)
            AND o.result BETWEEN 1 AND 3;
    
        -- A parent that ended otherwise than was asked cancels its continuation. That is an end as
        -- well, for those of its own continuations that are in the same batch.
        WITH RECURSIVE tie AS MATERIALIZED (
            SELECT adopt.jobs[t.job] AS child, t.parent, t.condition, e.result
            FROM unnest(adopt.tie_jobs, adopt.tie_parents, adopt.tie_conditions)
                    AS t (job, parent, condition)
                LEFT JOIN unnest(ended, results) AS e (id, result) ON e.id = t.parent),
        gone (child) AS (
            SELECT t.child
            FROM tie AS t
            WHERE t.result <> CASE t.condition
                WHEN 'success' THEN 1 WHEN 'failure' THEN 2 WHEN 'cancelled' THEN 3 ELSE t.result
            END
            UNION
            SELECT t.child
            FROM gone AS g
                JOIN tie AS t ON t.parent = g.child
            WHERE t.condition IN ('success', 'failure'))
        SELECT coalesce(array_agg(g.child), '{}') INTO refused
        FROM gone AS g;
        ended := ended || refused;
        results := results || array_fill(3::int2, ARRAY[cardinality(refused)]);
    
        WITH tie AS (
            SELECT adopt.jobs[t.job] AS child, t.job, t.parent, t.condition, t.place,
                e.id IS NULL AND r.id IS NULL AS open
            FROM unnest(adopt.tie_jobs, adopt.tie_parents, adopt.tie_conditions, adopt.tie_places)
                    AS t (job, parent, condition, place)
                LEFT JOIN unnest(ended) AS e (id) ON e.id = t.parent
                LEFT JOIN unnest(refused) AS r (id) ON r.id = adopt.jobs[t.job]),
        tied AS (
            INSERT INTO legwork.dependency (parent, child, condition, open, place)
            SELECT t.parent, t.child, t.condition, t.open, t.place
            FROM tie AS t),
        waiting AS (
            INSERT INTO legwork.waiting (id, open, delay, start_at)
            SELECT t.child, count(*), adopt.delays[t.job], adopt.starts[t.job]
            FROM tie AS t
            WHERE t.open
            GROUP BY t.child, t.job
            RETURNING id)
        SELECT array_agg(w.id) INTO waits
        FROM waiting AS w;
    
        -- Those that were refused.
        INSERT INTO legwork.outcome (id, ended_at, run, failures, result)
        SELECT r.id, adopt.at, 1, 0, 3
        FROM unnest(refused) AS r (id);
        INSERT INTO legwork.stat (minute, queue, kind, succeeded, failed, retried, cancelled,
            ran_for)
        SELECT date_trunc('minute', adopt.at), j.queue, j.kind, 0, 0, 0, count(*), 0
        FROM unnest(adopt.jobs, adopt.queues, adopt.kinds) AS j (id, queue, kind)
            JOIN unnest(refused) AS r (id) ON r.id = j.id
        GROUP BY j.queue, j.kind;
        INSERT INTO legwork.event (id, at, run, what)
        SELECT w.id, adopt.at, 1, format(
            '{"event":"cancelled","reason":"it waited for job %s, which is %s","actor":null}',
            w.parent, (ARRAY['succeeded', 'failed', 'cancelled'])[w.result])
        FROM (
            SELECT DISTINCT ON (t.job) t.job, r.id, t.parent, e.result
            FROM unnest(adopt.tie_jobs, adopt.tie_parents, adopt.tie_conditions, adopt.tie_places)
                    AS t (job, parent, condition, place)
                JOIN unnest(refused) AS r (id) ON r.id = adopt.jobs[t.job]
                JOIN unnest(ended, results) AS e (id, result) ON e.id = t.parent
            WHERE e.result <> CASE t.condition
                WHEN 'success' THEN 1 WHEN 'failure' THEN 2 WHEN 'cancelled' THEN 3 ELSE e.result
            END
            ORDER BY t.job, t.place) AS w
        ORDER BY w.job;
    
        -- Those that have nothing left to wait for.
        WITH free AS (
            SELECT j.id, j.queue, j.kind, j.priority, j.run_at, j.place
            FROM (SELECT DISTINCT t.job FROM unnest(adopt.tie_jobs) AS t (job)) AS t
                JOIN unnest(adopt.jobs, adopt.queues, adopt.kinds, adopt.priorities, adopt.due)
                    WITH ORDINALITY AS j (id, queue, kind, priority, run_at, place) ON j.place =
            t.job
                LEFT JOIN unnest(waits || refused) AS w (id) ON w.id = j.id
            WHERE w.id IS NULL),
        scheduled AS (
            INSERT INTO legwork.due (run_at, id, run, failures, losses)
            SELECT f.run_at, f.id, 1, 0, 0
            FROM free AS f
            WHERE f.run_at IS NOT NULL),
        entered AS (
            INSERT INTO legwork.ready
                (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
            SELECT nextval('legwork.number'), f.id, f.queue, f.kind, 1, 0, 0, f.priority, 1, false,
                adopt.at
            FROM (SELECT * FROM free WHERE run_at IS NULL ORDER BY place) AS f)
        INSERT INTO legwork.event (id, at, run, what)
        SELECT f.id, adopt.at, 1, '{"event":"parents_done"}'
        FROM free AS f
        ORDER BY f.place;
    END
    $function$
    EXECUTE for the owner

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
            RAISE EXCEPTION '% is null: a name has 1 to 128 characters', what USING ERRCODE =
            '22023';
        ELSIF name = '' THEN
            RAISE EXCEPTION '% is empty: a name has 1 to 128 characters', what USING ERRCODE =
            '22023';
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
    dependency_condition_check CHECK ((condition = ANY (ARRAY['success'::text, 'failure'::text,
            'cancelled'::text, 'any_end'::text])))
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
    CREATE OR REPLACE FUNCTION legwork.enqueue(kind text, args json DEFAULT '{}'::json, queue text
            DEFAULT 'default'::text, priority integer DEFAULT 0, run_at timestamp with time zone
            DEFAULT NULL::timestamp with time zone, after interval DEFAULT NULL::interval,
            max_attempts integer DEFAULT NULL::integer, timeout interval DEFAULT NULL::interval,
            expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, tags text[]
            DEFAULT NULL::text[], wake boolean DEFAULT false)
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
            RAISE EXCEPTION 'expires_at lies outside the years 1970 to 9999' USING ERRCODE =
            '22023';
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
    
        -- Whoever adds a name keeps others from adding the same one until the transaction ends;
            when it
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

enqueue_all
    CREATE OR REPLACE FUNCTION legwork.enqueue_all(installation uuid, jobs json, at timestamp with
            time zone DEFAULT NULL::timestamp with time zone)
     RETURNS TABLE(nth integer, id bigint, is_new boolean, refusal text)
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET enable_seqscan TO 'off'
     SET enable_mergejoin TO 'off'
     SET enable_nestloop TO 'off'
     SET jit TO 'off'
    AS $function$
    #variable_conflict use_column
    DECLARE
        given int8[];
        ids int8[];
        queues text[];
        kinds text[];
        home_queues int4[];
        home_kinds int4[];
        priorities int2[];
        first_states int2[];
        args text[];
        options text[];
        delays int8[];
        starts timestamptz[];
        due timestamptz[];
        parents json[];
        tags json[];
        blocks int8[];
        stored int8[];
        news boolean[];
        tie_jobs int4[];
        tie_parents int8[];
        tie_conditions text[];
        tie_places int4[];
    BEGIN
        IF NOT EXISTS (
            SELECT FROM legwork.installation AS i WHERE i.id = enqueue_all.installation
        ) THEN
            RETURN QUERY SELECT 0, 0::int8, false, 'installation';
            RETURN;
        END IF;
        at := coalesce(enqueue_all.at, now());
    
        -- The rows come in the order of the array, and so do the elements of each aggregate.
        SELECT array_agg(j.id), array_agg(j.queue), array_agg(j.queue_number), array_agg(j.kind),
            array_agg(j.kind_number), array_agg(coalesce(j.priority, 0::int2)), array_agg(j.args),
            array_agg(j.options), array_agg(j.delay),
            array_agg(timestamptz 'epoch' + j.start_at / 1000000 * interval '1 second'
                + j.start_at % 1000000 * interval '1 microsecond'),
            array_agg(CASE WHEN json_array_length(j.parents) > 0 THEN j.parents END),
            array_agg(j.tags)
        INTO given, queues, home_queues, kinds, home_kinds, priorities, args, options, delays,
            starts,
            parents, tags
        FROM json_to_recordset(enqueue_all.jobs) AS j (id int8, queue text, queue_number int4,
            kind text, kind_number int4, priority int2, args text, options text, delay int8,
            start_at int8, parents json, tags json);
        IF given IS NULL THEN
            RETURN;
        END IF;
        SELECT array_agg(CASE WHEN u.run_at > enqueue_all.at THEN u.run_at END)
        INTO due
        FROM (
            SELECT coalesce(enqueue_all.at + s.delay / 1000000 * interval '1 second'
                + s.delay % 1000000 * interval '1 microsecond', s.start_at) AS run_at
            FROM unnest(delays, starts) AS s (delay, start_at)) AS u;
        SELECT array_agg(
            CASE WHEN u.parents IS NOT NULL THEN 2 WHEN u.run_at IS NOT NULL THEN 1 ELSE 0 END)
        INTO first_states
        FROM unnest(parents, due) AS u (parents, run_at);
    
        -- An id that was never handed out would be handed out later.
        IF cardinality(array_remove(given, NULL)) > 0 THEN
            RETURN QUERY SELECT (u.place - 1)::int4, u.id, false, 'id'
                FROM unnest(given) WITH ORDINALITY AS u (id, place)
                WHERE u.id >= (
                    SELECT CASE WHEN n.is_called THEN n.last_value + 1000 ELSE 1 END
                    FROM legwork.number AS n)
                LIMIT 1;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
    
        -- A parent is stored, or earlier in the batch. A job that exists is not stored again: its
        -- parents may be gone.
        IF array_position(first_states, 2::int2) IS NOT NULL THEN
            SELECT array_agg(t.job), array_agg(t.parent), array_agg(t.condition), array_agg(t.place)
            INTO tie_jobs, tie_parents, tie_conditions, tie_places
            FROM (
                SELECT u.job::int4, p.id, p."on", min(p.place)::int4 - 1
                FROM unnest(parents) WITH ORDINALITY AS u (parents, job),
                    ROWS FROM (json_to_recordset(u.parents) AS (id int8, "on" text))
                        WITH ORDINALITY AS p (id, "on", place)
                GROUP BY u.job, p.id, p."on"
                ORDER BY u.job, min(p.place)) AS t (job, parent, condition, place);
            -- What is there stays until the commit: no parent is deleted or pruned meanwhile.
            stored := ARRAY(
                SELECT j.id
                FROM legwork.job AS j
                WHERE j.id = ANY (tie_parents || given)
                ORDER BY j.id
                FOR KEY SHARE);
            RETURN QUERY
                SELECT t.job - 1, t.parent, false, 'parent'
                FROM unnest(tie_jobs, tie_parents, tie_places) AS t (job, parent, place)
                    LEFT JOIN unnest(stored) AS s (id) ON s.id = t.parent
                    LEFT JOIN unnest(stored) AS o (id) ON o.id = given[t.job]
                    LEFT JOIN (
                        SELECT u.id, min(u.place)
                        FROM unnest(given) WITH ORDINALITY AS u (id, place)
                        GROUP BY u.id) AS g (id, job) ON g.id = t.parent AND g.job < t.job
                WHERE s.id IS NULL
                    AND o.id IS NULL
                    AND g.id IS NULL
                ORDER BY t.job, t.place
                LIMIT 1;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
    
        blocks := ARRAY(
            SELECT nextval('legwork.number')
            FROM generate_series(1, (cardinality(array_positions(given, NULL)) + 999) / 1000));
        SELECT array_agg(coalesce(u.id, blocks[u.n / 1000 + 1] + u.n % 1000) ORDER BY u.place)
        INTO ids
        FROM (
            SELECT g.id, g.place, count(*) FILTER (WHERE g.id IS NULL) OVER (ORDER BY g.place) - 1
            AS n
            FROM unnest(given) WITH ORDINALITY AS g (id, place)) AS u;
        home_queues := legwork.number_queues(home_queues, queues);
        home_kinds := legwork.number_kinds(home_kinds, kinds);
    
        WITH stored AS (
            INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args,
            options)
            SELECT u.id, enqueue_all.at, u.queue, u.kind, u.priority, u.first_state, u.args,
            u.options
            FROM unnest(ids, home_queues, home_kinds, priorities, first_states, args, options)
                AS u (id, queue, kind, priority, first_state, args, options)
            ON CONFLICT (id) DO NOTHING
            RETURNING id)
        SELECT array_agg(s.id IS NOT NULL AND u.turn = 1 ORDER BY u.place) INTO news
        FROM (
            SELECT i.id, i.place, row_number() OVER (PARTITION BY i.id ORDER BY i.place)
            FROM unnest(ids) WITH ORDINALITY AS i (id, place)) AS u (id, place, turn)
            LEFT JOIN stored AS s ON s.id = u.id;
    
        -- A ticket stands for up to 100 consecutive ids of one home.
        INSERT INTO legwork.ready (seq, first, queue, kind, run, failures, losses, priority, n,
            suspect)
        SELECT min(t.id), min(t.id), t.queue, t.kind, 1, 0, 0, t.priority, count(*), false
        FROM (
            SELECT r.*, (row_number() OVER (
                PARTITION BY r.queue, r.kind, r.priority, r.row_of ORDER BY r.id) - 1) / 100 AS
            ticket
            FROM (
                SELECT u.*, u.id - row_number() OVER (
                    PARTITION BY u.queue, u.kind, u.priority ORDER BY u.id) AS row_of
                FROM unnest(ids, home_queues, home_kinds, priorities, first_states, news)
                    AS u (id, queue, kind, priority, first_state, is_new)
                WHERE u.is_new
                    AND u.first_state = 0) AS r) AS t
        GROUP BY t.queue, t.kind, t.priority, t.row_of, t.ticket
        ORDER BY 1;
        INSERT INTO legwork.due (run_at, id, run, failures, losses)
        SELECT u.run_at, u.id, 1, 0, 0
        FROM unnest(ids, due, first_states, news) AS u (id, run_at, first_state, is_new)
        WHERE u.is_new
            AND u.first_state = 1;
        INSERT INTO legwork.tag (tag, id)
        SELECT t.tag, u.id
        FROM unnest(ids, tags, news) AS u (id, tags, is_new),
            json_array_elements_text(u.tags) AS t (tag)
        WHERE u.is_new
        ON CONFLICT DO NOTHING;
        IF tie_jobs IS NOT NULL THEN
            SELECT array_agg(t.job), array_agg(t.parent), array_agg(t.condition), array_agg(t.place)
            INTO tie_jobs, tie_parents, tie_conditions, tie_places
            FROM unnest(tie_jobs, tie_parents, tie_conditions, tie_places)
                AS t (job, parent, condition, place)
            WHERE news[t.job];
            PERFORM legwork.adopt(enqueue_all.at, ids, home_queues, home_kinds, priorities, delays,
                starts, due, tie_jobs, tie_parents, tie_conditions, tie_places);
        END IF;
        RETURN QUERY
            SELECT (u.place - 1)::int4, u.id, u.is_new, NULL
            FROM unnest(ids, news) WITH ORDINALITY AS u (id, is_new, place);
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

number_kinds
    CREATE OR REPLACE FUNCTION legwork.number_kinds(numbers integer[], names text[])
     RETURNS integer[]
     LANGUAGE plpgsql
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    BEGIN
        LOOP
            EXIT WHEN array_position(numbers, NULL) IS NULL;
            SELECT array_agg(coalesce(u.number, k.id) ORDER BY u.place) INTO numbers
            FROM unnest(numbers, names) WITH ORDINALITY AS u (number, name, place)
                LEFT JOIN legwork.kind AS k ON k.name = u.name;
            -- In an order that everyone keeps: whoever adds a name keeps others from adding it.
            INSERT INTO legwork.kind (name)
            SELECT DISTINCT u.name
            FROM unnest(numbers, names) AS u (number, name)
            WHERE u.number IS NULL
                AND legwork.check_name('kind', u.name) IS NOT NULL
            ORDER BY u.name
            ON CONFLICT (name) DO NOTHING;
        END LOOP;
        RETURN numbers;
    END
    $function$
    EXECUTE for the owner

number_queues
    CREATE OR REPLACE FUNCTION legwork.number_queues(numbers integer[], names text[])
     RETURNS integer[]
     LANGUAGE plpgsql
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    BEGIN
        LOOP
            EXIT WHEN array_position(numbers, NULL) IS NULL;
            SELECT array_agg(coalesce(u.number, q.id) ORDER BY u.place) INTO numbers
            FROM unnest(numbers, names) WITH ORDINALITY AS u (number, name, place)
                LEFT JOIN legwork.queue AS q ON q.name = u.name;
            -- In an order that everyone keeps: whoever adds a name keeps others from adding it.
            INSERT INTO legwork.queue (name)
            SELECT DISTINCT u.name
            FROM unnest(numbers, names) AS u (number, name)
            WHERE u.number IS NULL
                AND legwork.check_name('queue name', u.name) IS NOT NULL
            ORDER BY u.name
            ON CONFLICT (name) DO NOTHING;
        END LOOP;
        RETURN numbers;
    END
    $function$
    EXECUTE for the owner

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
    CREATE UNIQUE INDEX ready_pkey ON legwork.ready USING btree (queue, suspect, kind, priority,
            seq)

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
    CREATE INDEX server_gone ON legwork.server USING btree (gone_at) WHERE ((gone_at IS NOT NULL)
            AND (info IS NOT NULL))
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
