-- Takes the next tickets in their order and grants a lease on their jobs. Primary keys of ready and
-- job. A lane is a queue and a kind that the server has registered; of each only so many tickets
-- are looked at, behind a floor. A ticket of which not all is wanted leaves its rest in its place.
-- Yields a row per ticket, its jobs as arrays: a row per job costs both sides more than the claim.
-- When others have all the tickets for a moment, one row without a lease says so.
WITH lane AS MATERIALIZED (
    SELECT u.place, u.queue, u.suspect, u.kind, u.priority, u.seq, u.last_priority
    FROM unnest($2, $3, $4, $5, $6, $7, $8)
        AS u (place, queue, suspect, kind, priority, seq, last_priority)
    WHERE EXISTS (SELECT 1 FROM legwork.server AS s WHERE s.id = $1 AND s.gone_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM legwork.pause AS p WHERE p.queue = u.queue)
        AND (NOT u.suspect OR (SELECT EXISTS (SELECT 1 FROM legwork.ready AS r WHERE r.suspect)))),
seen AS MATERIALIZED (
    SELECT l.place, t.*
    FROM lane AS l
        CROSS JOIN LATERAL (
            SELECT r.ctid AS at, r.*
            FROM legwork.ready AS r
            WHERE r.queue = l.queue
                AND r.suspect = l.suspect
                AND r.kind = l.kind
                AND (r.priority, r.seq) > (l.priority, l.seq)
                AND r.priority <= l.last_priority
            ORDER BY r.priority, r.seq
            LIMIT $9
            FOR UPDATE SKIP LOCKED) AS t),
allowed AS (
    SELECT s.*,
        row_number() OVER (PARTITION BY s.suspect ORDER BY s.place, s.priority, s.seq) AS nth
    FROM seen AS s),
ranked AS (
    SELECT a.*, sum(a.n) OVER (ORDER BY a.place, a.priority, a.seq) - a.n AS before
    FROM allowed AS a
    WHERE NOT a.suspect
        OR a.nth <= $11),
taken AS MATERIALIZED (
    SELECT r.*, least(r.n, $10 - r.before)::int2 AS taken
    FROM ranked AS r
    WHERE r.before < $10),
gone AS (
    DELETE FROM legwork.ready
    WHERE ctid = ANY (ARRAY(SELECT t.at FROM taken AS t))
    RETURNING 1),
rest AS (
    INSERT INTO legwork.ready
        (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
    SELECT t.seq + t.taken, t.first + t.taken, t.queue, t.kind, t.run, t.failures, t.losses,
        t.priority, t.n - t.taken, t.suspect, t.entered_at
    FROM taken AS t
    WHERE t.n > t.taken
        AND (SELECT count(*) FROM gone) >= 0),
granted AS (
    INSERT INTO legwork.lease
        (claimed_at, server, open, firsts, ns, runs, failures, losses, queues, kinds, priorities)
    SELECT coalesce($12, clock_timestamp()), $1, sum(t.taken), array_agg(t.first),
        array_agg(t.taken), array_agg(t.run), array_agg(t.failures), array_agg(t.losses),
        array_agg(t.queue), array_agg(t.kind), array_agg(t.priority)
    FROM (SELECT * FROM taken ORDER BY place, priority, seq) AS t
    HAVING count(*) > 0
    RETURNING id, claimed_at)
SELECT t.place, t.queue, t.kind, t.priority, t.run, t.failures, t.losses, g.id, g.claimed_at, t.seq,
    t.first, t.n, t.taken, j.ids, j.created_at, j.args, j.options
FROM granted AS g
    CROSS JOIN taken AS t
    CROSS JOIN LATERAL (
        SELECT array_agg(k.id) AS ids, array_agg(k.created_at) AS created_at,
            array_agg(k.args) AS args,
            CASE WHEN count(k.options) > 0 THEN array_agg(k.options) END AS options,
            bool_or((k.options::json ->> 'expires_at')::int8
                    <= extract(epoch FROM g.claimed_at) * 1000000)
                FILTER (WHERE NOT $13 AND k.options IS NOT NULL) AS expired
        FROM (
            SELECT m.id, m.created_at, m.args, m.options
            FROM legwork.job AS m
            WHERE m.id >= t.first
                AND m.id < t.first + t.taken
            ORDER BY m.id) AS k) AS j
WHERE CASE
        WHEN $13 THEN true
        WHEN j.ids IS NULL OR cardinality(j.ids) < t.taken
            THEN legwork.refuse('a claimable job is not stored')
        WHEN j.expired THEN legwork.refuse('a claimable job has expired')
        ELSE true
    END
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL
WHERE NOT EXISTS (SELECT 1 FROM granted)
    AND EXISTS (
        SELECT 1
        FROM lane AS l
            CROSS JOIN LATERAL (
                SELECT 1
                FROM legwork.ready AS r
                WHERE r.queue = l.queue
                    AND r.suspect = l.suspect
                    AND r.kind = l.kind
                    AND (r.priority, r.seq) > (l.priority, l.seq)
                    AND r.priority <= l.last_priority
                LIMIT 1) AS t)
ORDER BY place, priority, seq;
