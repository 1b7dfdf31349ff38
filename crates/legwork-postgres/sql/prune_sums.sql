-- Adds up sums of minutes that are over: one row per minute, queue and kind in the place of many.
-- Yields how many there were. Index stat_unsummed.
WITH parts AS (
    DELETE FROM legwork.stat
    WHERE ctid = ANY (ARRAY(
        SELECT s.ctid
        FROM legwork.stat AS s
        WHERE NOT s.summed
            AND s.minute < date_trunc('minute', coalesce($1, now()))
        ORDER BY s.minute
        LIMIT $2))
    RETURNING minute, queue, kind, succeeded, failed, retried, cancelled, ran_for
), sums AS (
    INSERT INTO legwork.stat
        (minute, queue, kind, succeeded, failed, retried, cancelled, summed, ran_for)
    SELECT p.minute, p.queue, p.kind,
        least(sum(p.succeeded), 2147483647)::int4,
        least(sum(p.failed), 2147483647)::int4,
        least(sum(p.retried), 2147483647)::int4,
        least(sum(p.cancelled), 2147483647)::int4,
        true,
        least(sum(p.ran_for), 9223372036854775807)::int8
    FROM parts AS p
    GROUP BY p.minute, p.queue, p.kind
)
SELECT count(*)
FROM parts;
