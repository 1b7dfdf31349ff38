-- Adds to the sums of the minute: a row of its own, which nobody else waits for.
INSERT INTO legwork.stat (minute, queue, kind, succeeded, failed, retried, cancelled, ran_for)
SELECT date_trunc('minute', coalesce($1, now())), u.queue, u.kind, u.succeeded, u.failed, u.retried,
    u.cancelled, u.ran_for
FROM unnest($2, $3, $4, $5, $6, $7, $8)
    AS u (queue, kind, succeeded, failed, retried, cancelled, ran_for);
