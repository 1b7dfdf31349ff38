-- Makes jobs claimable again, each behind all others of its priority, in the order given.
INSERT INTO legwork.ready
    (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
SELECT nextval('legwork.number'), u.id, u.queue, u.kind, u.run, u.failures, u.losses, u.priority, 1,
    u.suspect, coalesce($1, now())
FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
    AS u (id, queue, kind, run, failures, losses, priority, suspect);
