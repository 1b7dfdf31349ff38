-- Takes what is due, earliest first, and makes it claimable in that order; yields how many jobs,
-- and which are not stored. What another promoter takes is passed over. Primary keys of due and
-- job.
WITH due AS (
    DELETE FROM legwork.due
    WHERE ctid = ANY (ARRAY(
        SELECT d.ctid
        FROM legwork.due AS d
        WHERE d.run_at <= coalesce($1, now())
        ORDER BY d.run_at, d.id
        LIMIT $2
        FOR UPDATE SKIP LOCKED))
    RETURNING run_at, id, run, failures, losses
), homed AS MATERIALIZED (
    SELECT d.run_at, d.id, d.run, d.failures, d.losses, j.queue, j.kind, j.priority
    FROM due AS d
        LEFT JOIN legwork.job AS j ON j.id = d.id
    ORDER BY d.run_at, d.id
), entered AS (
    INSERT INTO legwork.ready
        (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
    SELECT nextval('legwork.number'), h.id, h.queue, h.kind, h.run, h.failures, h.losses,
        h.priority, 1, h.losses >= 2, coalesce($1, now())
    FROM homed AS h
    WHERE h.queue IS NOT NULL
)
SELECT count(h.queue), array_agg(h.id) FILTER (WHERE h.queue IS NULL)
FROM homed AS h;
