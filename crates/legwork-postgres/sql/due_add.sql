-- Schedules jobs.
INSERT INTO legwork.due (run_at, id, run, failures, losses)
SELECT u.run_at, u.id, u.run, u.failures, u.losses
FROM unnest($1, $2, $3, $4, $5) AS u (run_at, id, run, failures, losses);
