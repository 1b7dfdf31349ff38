-- Records the end of a run, once. Primary key.
INSERT INTO legwork_outcome
    (id, run, result, server, claimed_at, ran_for, ended_at, failures, asked)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (id, run) DO NOTHING;
