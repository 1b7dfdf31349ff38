-- Stores the jobs whose ids do not exist, and yields their ids. Primary key.
INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args, options)
SELECT u.id, coalesce($1, now()), u.queue, u.kind, u.priority, u.first_state, u.args, u.options
FROM unnest($2, $3, $4, $5, $6, $7, $8)
    AS u (id, queue, kind, priority, first_state, args, options)
ON CONFLICT (id) DO NOTHING
RETURNING id;
