-- Stores jobs that can be claimed at once, with their tickets: a transaction of its own.
WITH stored AS (
    INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args, options)
    SELECT u.id, coalesce($1, now()), u.queue, u.kind, u.priority, u.first_state, u.args, u.options
    FROM unnest($2, $3, $4, $5, $6, $7, $8)
        AS u (id, queue, kind, priority, first_state, args, options))
INSERT INTO legwork.ready (seq, first, queue, kind, run, failures, losses, priority, n, suspect)
SELECT t.first, t.first, t.queue, t.kind, 1, 0, 0, t.priority, t.n, false
FROM unnest($9, $10, $11, $12, $13) AS t (first, queue, kind, priority, n);
