-- Stores a job; does nothing when its id exists. Primary key.
INSERT INTO legwork_job (id, queue, kind, priority, created_at, first_state, args, options)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO NOTHING;
