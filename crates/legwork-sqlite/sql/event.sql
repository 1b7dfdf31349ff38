-- Adds to the history of a job.
INSERT INTO legwork_event (id, run, at, what)
VALUES (?1, ?2, ?3, ?4);
