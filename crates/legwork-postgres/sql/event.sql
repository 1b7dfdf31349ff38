-- Adds to the histories of jobs, in the order given.
INSERT INTO legwork.event (id, at, run, what)
SELECT u.id, coalesce($1, now()), u.run, u.what
FROM unnest($2, $3, $4) AS u (id, run, what);
