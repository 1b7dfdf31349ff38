-- Cuts a job out of its ticket; yields a row unless the ticket is no longer as it was read. What is
-- left before and behind the job keeps its place in the order. Primary key.
WITH cut AS (
    DELETE FROM legwork.ready
    WHERE queue = $1
        AND suspect = $2
        AND kind = $3
        AND priority = $4
        AND seq = $5
        AND first = $6
        AND n = $7
        AND run = $8
    RETURNING *
), parts AS (
    INSERT INTO legwork.ready
        (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
    SELECT c.seq + p.first - c.first, p.first, c.queue, c.kind, c.run, c.failures, c.losses,
        c.priority, p.n, c.suspect, c.entered_at
    FROM cut AS c
        CROSS JOIN LATERAL (
            VALUES
                (c.first, ($9 - c.first)::int2),
                ($9 + 1, (c.first + c.n - $9 - 1)::int2)) AS p (first, n)
    WHERE p.n > 0
)
SELECT 1
FROM cut;
