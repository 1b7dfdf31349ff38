-- Records the ends of runs. Each key is new: what has an outcome was told apart before.
INSERT INTO legwork.outcome
    (id, claimed_at, ended_at, ran_for, run, server, failures, result, asked)
SELECT u.id, u.claimed_at, coalesce($1, now()), u.ran_for, u.run, u.server, u.failures, u.result,
    u.asked
FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
    AS u (id, claimed_at, ran_for, run, server, failures, result, asked);
