-- Adds or replaces a recurring job, unless someone else added it meanwhile. Primary key.
INSERT INTO legwork.recurring AS r
    (id, spec, generation, since, last_at, next_at, ended, last_job, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (id) DO UPDATE SET
    spec = excluded.spec,
    generation = excluded.generation,
    since = excluded.since,
    last_at = excluded.last_at,
    next_at = excluded.next_at,
    ended = excluded.ended,
    last_job = excluded.last_job,
    revision = excluded.revision
WHERE r.revision = excluded.revision - 1;
