-- Schedules a job.
INSERT INTO legwork_due (run_at, id, run, failures, losses)
VALUES (?1, ?2, ?3, ?4, ?5);
