-- breaking: no
-- Adds what the drivers call from `.tx(…)`: one statement that stores jobs in the transaction of
-- the caller. Their values were checked before; what only the database can tell is checked here.

-- Ties fresh continuations to their parents, and decides those whose parents have all ended. Each
-- tie names its continuation by its place in the arrays of jobs, from 1; no tie comes twice.
CREATE FUNCTION legwork.adopt(
    at timestamptz,
    jobs int8[],
    queues int4[],
    kinds int4[],
    priorities int2[],
    delays int8[],
    starts timestamptz[],
    due timestamptz[],
    tie_jobs int4[],
    tie_parents int8[],
    tie_conditions text[],
    tie_places int4[]
) RETURNS void LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
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
            WHEN 'success' THEN 1 WHEN 'failure' THEN 2 WHEN 'cancelled' THEN 3 ELSE t.result END
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
    INSERT INTO legwork.stat (minute, queue, kind, succeeded, failed, retried, cancelled, ran_for)
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
            WHEN 'success' THEN 1 WHEN 'failure' THEN 2 WHEN 'cancelled' THEN 3 ELSE e.result END
        ORDER BY t.job, t.place) AS w
    ORDER BY w.job;

    -- Those that have nothing left to wait for.
    WITH free AS (
        SELECT j.id, j.queue, j.kind, j.priority, j.run_at, j.place
        FROM (SELECT DISTINCT t.job FROM unnest(adopt.tie_jobs) AS t (job)) AS t
            JOIN unnest(adopt.jobs, adopt.queues, adopt.kinds, adopt.priorities, adopt.due)
                WITH ORDINALITY AS j (id, queue, kind, priority, run_at, place) ON j.place = t.job
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
$$;
REVOKE ALL ON FUNCTION legwork.adopt FROM PUBLIC;

-- Returns the numbers of queues; gives numbers to those that have none.
CREATE FUNCTION legwork.number_queues(numbers int4[], names text[])
RETURNS int4[] LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
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
$$;
REVOKE ALL ON FUNCTION legwork.number_queues FROM PUBLIC;

-- Returns the numbers of kinds; gives numbers to those that have none.
CREATE FUNCTION legwork.number_kinds(numbers int4[], names text[])
RETURNS int4[] LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
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
$$;
REVOKE ALL ON FUNCTION legwork.number_kinds FROM PUBLIC;

-- Enqueues jobs in the transaction of the caller; yields the id of each, in order, and whether it
-- is new: an id that was given may exist. `jobs` is an array of
--
--   {"id", "queue", "queue_number", "kind", "kind_number", "priority", "args", "options", "delay",
--    "start_at", "parents": [{"id", "on"}, …], "tags"}
--
-- where args and options are JSON texts, the delay is in microseconds and start_at in those since
-- 1970; what is null or missing is not set, and a number is what is known of a name. `at` is the
-- time of tests.
--
-- When it refuses, nothing is stored and one row says why: `installation` for another database than
-- that of the jobs, `id` for the job at place nth whose id was never handed out, and `parent` for
-- the one whose parent, the id, does not exist.
--
-- It runs with the rights of its owner, as legwork.enqueue does.
CREATE FUNCTION legwork.enqueue_all(
    installation uuid,
    jobs json,
    at timestamptz DEFAULT NULL
) RETURNS TABLE (nth int4, id int8, is_new boolean, refusal text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_mergejoin = off
SET enable_nestloop = off
SET jit = off AS $$
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
        array_agg(CASE WHEN json_array_length(j.parents) > 0 THEN j.parents END), array_agg(j.tags)
    INTO given, queues, home_queues, kinds, home_kinds, priorities, args, options, delays, starts,
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
        SELECT g.id, g.place, count(*) FILTER (WHERE g.id IS NULL) OVER (ORDER BY g.place) - 1 AS n
        FROM unnest(given) WITH ORDINALITY AS g (id, place)) AS u;
    home_queues := legwork.number_queues(home_queues, queues);
    home_kinds := legwork.number_kinds(home_kinds, kinds);

    WITH stored AS (
        INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args, options)
        SELECT u.id, enqueue_all.at, u.queue, u.kind, u.priority, u.first_state, u.args, u.options
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
    INSERT INTO legwork.ready (seq, first, queue, kind, run, failures, losses, priority, n, suspect)
    SELECT min(t.id), min(t.id), t.queue, t.kind, 1, 0, 0, t.priority, count(*), false
    FROM (
        SELECT r.*, (row_number() OVER (
            PARTITION BY r.queue, r.kind, r.priority, r.row_of ORDER BY r.id) - 1) / 100 AS ticket
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
$$;
REVOKE ALL ON FUNCTION legwork.enqueue_all FROM PUBLIC;
